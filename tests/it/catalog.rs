//! Products, categories and the stock that a product comes with.

use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{Case, Engine, Shop, eventually, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        a_product_is_made_shown_changed_and_taken_away,
        a_product_without_stock_has_none,
        the_list_pages_filters_and_sorts,
        a_stale_write_is_refused,
        stock_is_restocked_and_adjusted_once_per_key,
        stock_never_goes_below_what_is_promised,
        categories_form_a_tree,
    ]
}

async fn a_product_is_made_shown_changed_and_taken_away(engine: Engine) {
    let shop = Shop::start(engine).await;
    let body = json!({
        "name": "青瓷茶杯", "price": "19.90", "stock": 7, "status": "active",
        "description": "A cup", "brand": "Longquan", "tags": ["tea", "cup"],
    });
    let made = shop.admin.post("/api/v1/products", &body).await.ok(201);
    let path = format!("/api/v1/products/{}", made["id"].as_str().expect("an id"));
    let shown = shop.anonymous().get(&path).await.ok(200);
    for member in [
        "id",
        "default_sku_id",
        "name",
        "description",
        "price",
        "original_price",
        "currency",
        "stock",
        "category_id",
        "brand",
        "images",
        "tags",
        "specs",
        "status",
        "rating",
        "review_count",
        "sales",
        "skus",
        "created_at",
        "updated_at",
    ] {
        assert!(shown.get(member).is_some(), "no `{member}` in {shown}");
    }
    assert_eq!(
        (&shown["name"], &shown["price"], &shown["currency"]),
        (&json!("青瓷茶杯"), &json!("19.90"), &json!("CNY"))
    );
    assert_eq!((&shown["stock"], &shown["tags"]), (&json!(7), &json!(["tea", "cup"])));
    let skus = shown["skus"].as_array().expect("skus");
    assert_eq!(skus.len(), 1, "a simple product has one SKU");
    assert_eq!(skus[0]["id"], shown["default_sku_id"]);

    let change = json!({ "name": "Celadon cup", "price": "21.00", "stock": 9, "status": "active" });
    let changed = shop.admin.put(&path, &change).await.ok(200);
    assert_eq!((&changed["name"], &changed["price"]), (&json!("Celadon cup"), &json!("21.00")));
    let sku = changed["default_sku_id"].as_str().expect("a SKU");
    let stock = shop.stock(sku).await;
    assert_eq!(
        (&stock["available"], &stock["received"]),
        (&json!(9), &json!(9)),
        "a stock in PUT is an adjustment"
    );

    shop.admin.patch(&path, &json!({ "price": "22.00" })).await.ok(200);
    let shown = shop.anonymous().get(&path).await.ok(200);
    assert_eq!((&shown["name"], &shown["price"]), (&json!("Celadon cup"), &json!("22.00")));

    let gone = shop.admin.delete(&path).await;
    assert!([200, 204].contains(&gone.status), "{}", gone.text());
    shop.anonymous().get(&path).await.problem(404, "not_found");
}

async fn a_product_without_stock_has_none(engine: Engine) {
    let shop = Shop::start(engine).await;
    let body = json!({ "name": "Cup", "price": "1.00" });
    let made = shop.admin.post("/api/v1/products", &body).await.ok(201);
    let stock = shop.stock(made["default_sku_id"].as_str().expect("a SKU")).await;
    assert_eq!(stock["received"], 0);
}

async fn the_list_pages_filters_and_sorts(engine: Engine) {
    let shop = Shop::start(engine).await;
    for n in 1..=25 {
        let brand = if n % 2 == 0 { "Even" } else { "Odd" };
        let body = json!({
            "name": format!("Cup {n:02}"), "price": format!("{n}.00"), "stock": 1, "status": "active", "brand": brand,
        });
        shop.admin.post("/api/v1/products", &body).await.ok(201);
    }
    let visitor = shop.anonymous();
    let list = |query: &'static str| {
        let visitor = visitor.clone();
        async move { visitor.get(&format!("/api/v1/products?{query}")).await.ok(200) }
    };
    let names = |page: &Value| -> Vec<String> {
        let rows = page["data"].as_array().expect("data").iter();
        rows.map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
    };
    let full = || async { list("").await["total"].as_u64().filter(|total| *total == 25) };
    eventually(full, "the list shows every product").await;

    let first = list("page=1&page_size=10&sort_by=price&sort_order=asc").await;
    assert_eq!(
        (&first["page"], &first["page_size"], &first["total_pages"]),
        (&json!(1), &json!(10), &json!(3))
    );
    assert_eq!(names(&first).len(), 10);
    assert_eq!(names(&first)[0], "Cup 01");
    let last = list("page=3&page_size=10&sort_by=price&sort_order=asc").await;
    assert_eq!(names(&last), ["Cup 21", "Cup 22", "Cup 23", "Cup 24", "Cup 25"]);
    assert!(names(&list("page=9&page_size=10").await).is_empty());
    assert_eq!(list("brand=Even").await["total"], 12);
    assert_eq!(list("min_price=20&max_price=22.00").await["total"], 3);
    assert_eq!(names(&list("keyword=cup%2007").await), ["Cup 07"]);
    assert_eq!(list("keyword=%25").await["total"], 0, "a percent sign is no wildcard");
    assert_eq!(names(&list("sort_by=name&sort_order=desc&page_size=1").await), ["Cup 25"]);
    for bad in [
        "page=0",
        "page=x",
        "page_size=0",
        "page_size=101",
        "sort_by=luck",
        "sort_order=up",
        "min_price=x",
        "page=99999999999999999999",
    ] {
        visitor.get(&format!("/api/v1/products?{bad}")).await.problem(422, "invalid_request");
    }
}

async fn a_stale_write_is_refused(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 1).await;
    let path = format!("/api/v1/products/{}", product.id);
    let read = shop.admin.get(&path).await;
    let version = read.header("etag").to_owned();
    assert!(!version.is_empty(), "no ETag");
    let write = |price: &'static str| {
        let request = shop.admin.request(Method::PATCH, &path).json(&json!({ "price": price }));
        request.header("if-match", &version)
    };
    write("11.00").send().await.ok(200);
    write("12.00").send().await.problem(412, "version_conflict");
    let read = shop.admin.get(&path).await;
    assert_ne!(read.header("etag"), version);
    assert_eq!(read.json["price"], "11.00");
    let either = format!("{version}, {}", read.header("etag"));
    let request = shop.admin.request(Method::PATCH, &path).json(&json!({ "price": "12.00" }));
    request.header("if-match", &either).send().await.ok(200);
}

async fn stock_is_restocked_and_adjusted_once_per_key(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 5).await;
    let stock = format!("/api/v1/skus/{}/stock", product.sku_id);
    let restock = |quantity: u64| {
        let request = shop.admin.request(Method::POST, &format!("{stock}/restock"));
        request.json(&json!({ "quantity": quantity })).key("delivery-1").send()
    };
    let first = restock(10).await;
    assert!(first.header("idempotent-replayed").is_empty());
    assert!([200, 201].contains(&first.status), "{}", first.text());
    let again = restock(10).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!((again.status, &again.json), (first.status, &first.json));
    restock(11).await.problem(422, "idempotency_mismatch");
    assert_eq!(shop.stock(&product.sku_id).await["received"], 15);

    let adjust = json!({ "delta": -3, "reason": "broken cups" });
    shop.admin.post(&format!("{stock}/adjust"), &adjust).await;
    assert_eq!(shop.stock(&product.sku_id).await["available"], 12);
}

async fn stock_never_goes_below_what_is_promised(engine: Engine) {
    let shop = Shop::start(engine).await;
    let product = shop.product("10.00", 5).await;
    let buyer = shop.buyer("lin").await;
    shop.order(&buyer.client, &product, 3).await;
    let path = format!("/api/v1/skus/{}/stock/adjust", product.sku_id);
    let take = json!({ "delta": -3, "reason": "more than is free" });
    shop.admin.post(&path, &take).await.problem(409, "insufficient_stock");
    let stock = shop.stock(&product.sku_id).await;
    assert_eq!((&stock["available"], &stock["held"]), (&json!(2), &json!(3)));
    for bad in
        [json!({ "delta": 0, "reason": "none" }), json!({ "delta": 1 }), json!({ "delta": 1, "reason": "" })]
    {
        shop.admin.post(&path, &bad).await.problem(422, "invalid_request");
    }
}

async fn categories_form_a_tree(engine: Engine) {
    let shop = Shop::start(engine).await;
    let root = shop.admin.post("/api/v1/categories", &json!({ "name": "Kitchen" })).await.ok(201);
    let body = json!({ "name": "Cups", "parent_id": root["id"] });
    let leaf = shop.admin.post("/api/v1/categories", &body).await.ok(201);
    shop.admin.post("/api/v1/categories", &body).await.problem(409, "conflict");
    let tree = shop.anonymous().get("/api/v1/categories").await.ok(200);
    let roots = tree.as_array().or_else(|| tree["data"].as_array()).expect("a list");
    assert_eq!(roots.len(), 1, "{tree}");
    assert_eq!(roots[0]["children"][0]["id"], leaf["id"], "{tree}");
    let unknown = json!({ "name": "Cup", "price": "1.00", "category_id": uuid::Uuid::now_v7() });
    let refused = shop.admin.post("/api/v1/products", &unknown).await;
    assert!([404, 422].contains(&refused.status), "{}", refused.text());
}
