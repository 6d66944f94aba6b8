//! Products: what is shown and listed of them, and who may change or see which.

use hyper::Method;
use serde_json::{Value, json};
use stampede_tests::{Case, Client, Engine, Product, Shop, eventually, per_engine};

/// The tests of this module.
pub fn cases() -> Vec<Case> {
    per_engine![
        a_product_is_made_shown_changed_and_taken_away,
        a_product_without_stock_has_none,
        the_list_pages_filters_and_sorts,
        a_stale_write_is_refused,
        a_product_is_changed_by_its_seller_and_administrators_only,
        many_products_change_their_status_if_all_are_the_callers,
        what_is_not_for_sale_is_shown_to_its_owners_only,
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

/// A product of this seller's, with five units.
async fn made_by(seller: &Client, status: &str) -> Product {
    let body = json!({ "name": "A thing", "price": "10.00", "stock": 5, "status": status });
    let made = seller.post("/api/v1/products", &body).await;
    let product = Product { id: made.str("id").to_owned(), sku_id: made.str("default_sku_id").to_owned() };
    made.ok(201);
    product
}

/// Every request that changes a product or its stock; the last takes it away.
fn changes(product: &Product) -> [(Method, String, Value); 7] {
    let Product { id, sku_id } = product;
    let whole = json!({ "name": "Another thing", "price": "0.01", "stock": 6 });
    let stock = format!("/api/v1/skus/{sku_id}/stock");
    [
        (Method::PATCH, format!("/api/v1/products/{id}"), json!({ "price": "0.01" })),
        (Method::PUT, format!("/api/v1/products/{id}"), whole.clone()),
        (Method::PUT, format!("/api/product/{id}"), whole),
        (Method::POST, format!("{stock}/restock"), json!({ "quantity": 1 })),
        (Method::POST, format!("{stock}/adjust"), json!({ "delta": -1, "reason": "broken" })),
        (Method::DELETE, format!("/api/product/{id}"), Value::Null),
        (Method::DELETE, format!("/api/v1/products/{id}"), Value::Null),
    ]
}

async fn a_product_is_changed_by_its_seller_and_administrators_only(engine: Engine) {
    let shop = Shop::start(engine).await;
    let sellers = shop.sellers(2).await;
    let (mine, other) = (&sellers[0], &sellers[1]);
    let send = async |client: &Client, (method, path, body): &(Method, String, Value)| {
        client.request(method.clone(), path).json(body).send().await
    };
    for owner in [mine, &shop.admin] {
        for (status, refused) in [("active", (403, "forbidden")), ("draft", (404, "not_found"))] {
            let product = made_by(mine, status).await;
            let path = format!("/api/v1/products/{}", product.id);
            let before = (mine.get(&path).await.ok(200), shop.stock(&product.sku_id).await);
            for change in changes(&product) {
                send(other, &change).await.problem(refused.0, refused.1);
            }
            let after = (mine.get(&path).await.ok(200), shop.stock(&product.sku_id).await);
            assert_eq!(after, before, "nothing has changed");
            let changes = changes(&product);
            for change in &changes[..5] {
                send(owner, change).await.ok(200);
            }
            send(owner, &changes[6]).await.ok(204);
        }
    }
    let of_the_shop = shop.product("10.00", 5).await;
    for change in changes(&of_the_shop) {
        send(mine, &change).await.problem(403, "forbidden");
    }
    let sale = json!({ "product_id": of_the_shop.id, "stock": 1 });
    mine.post("/api/seckill/init", &sale).await.problem(403, "forbidden");
}

async fn many_products_change_their_status_if_all_are_the_callers(engine: Engine) {
    let shop = Shop::start(engine).await;
    let sellers = shop.sellers(2).await;
    let (mine, other) = (&sellers[0], &sellers[1]);
    let (own, draft) = (made_by(mine, "active").await, made_by(other, "draft").await);
    let others = made_by(other, "active").await;
    let inactive = |ids: &[&String]| json!({ "ids": ids, "status": "inactive" });
    let path = "/api/v1/products/status";
    mine.post(path, &inactive(&[&own.id, &others.id])).await.problem(403, "forbidden");
    let shown = mine.get(&format!("/api/v1/products/{}", own.id)).await.ok(200);
    assert_eq!(shown["status"], "active", "all of it is refused");
    let changed = mine.post(path, &inactive(&[&own.id, &draft.id])).await.ok(200);
    assert_eq!(changed, json!({ "changed": [own.id], "missing": [draft.id] }));
}

async fn what_is_not_for_sale_is_shown_to_its_owners_only(engine: Engine) {
    let shop = Shop::start(engine).await;
    let sellers = shop.sellers(2).await;
    let (mine, other) = (&sellers[0], &sellers[1]);
    let buyer = shop.buyer("lin").await.client;
    let product = made_by(mine, "active").await;
    let path = format!("/api/v1/products/{}", product.id);
    let stock = format!("/api/v1/skus/{}/stock", product.sku_id);
    let (strangers, owners) = ([&shop.anonymous(), &buyer, other], [mine, &shop.admin]);
    for client in strangers.iter().chain(&owners) {
        client.get(&path).await.ok(200);
        client.get(&stock).await.ok(200);
    }
    for status in ["draft", "inactive"] {
        mine.patch(&path, &json!({ "status": status })).await.ok(200);
        for stranger in strangers {
            stranger.get(&path).await.problem(404, "not_found");
            stranger.get(&stock).await.problem(404, "not_found");
        }
        for owner in owners {
            owner.get(&path).await.ok(200);
            assert_eq!(owner.get(&stock).await.ok(200)["available"], 5);
        }
    }
    mine.delete(&path).await.ok(204);
    for stranger in strangers {
        stranger.get(&stock).await.problem(404, "not_found");
    }
    for owner in owners {
        owner.get(&path).await.problem(404, "not_found");
        assert_eq!(owner.get(&stock).await.ok(200)["available"], 5, "its units are still there");
    }
    let broken = json!({ "delta": -5, "reason": "cleared out" });
    other.post(&format!("{stock}/adjust"), &broken).await.problem(404, "not_found");
    mine.post(&format!("{stock}/adjust"), &broken).await.ok(200);
}
