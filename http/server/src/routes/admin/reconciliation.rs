//! Reconciliation: whether memory, tables and journal agree.

use actix_web::{HttpResponse, web::Data};
use stampede_shop::services::{Services, administration};

use crate::{extract::Admin, problem::Problem};

/// Compares memory, tables and the folded journal. Reads the whole journal: for quiet hours.
#[utoipa::path(get, path = "/api/v1/admin/reconciliation", operation_id = "getReconciliation", tag = "admin",
    responses((status = 200, description = "The differences, if any")))]
pub async fn reconciliation(_: Admin, services: Data<Services>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(administration::reconcile(&services).await?))
}
