//! The life of orders: lists, one order, and the steps of its owner and of administrators.

use stampede_domain::order::{self, Command, OrderView, Query};
use stampede_kernel::{IdempotencyKey, OrderNo, UserId};
use stampede_platform::runtime::Answered;

use super::{Paged, Paging, Services, Unanswered, error::from_ask_error};
use crate::projections::{self, OrderFilter, OrderStatistics};

/// Why an order was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("there is no such order")]
    NotFound,
    #[error("the order does not allow it: {0:?}")]
    Refused(order::Refusal),
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

from_ask_error!(OrderError, order::Refusal);

type Changed = Result<Answered<Box<OrderView>>, OrderError>;

/// A page of orders, newest first. May lag by a second.
pub async fn list(
    services: &Services,
    filter: &OrderFilter,
    paging: Paging,
) -> Result<Paged<OrderView>, Unanswered> {
    let (entries, total) = projections::order_page(
        &services.database,
        filter,
        i64::from(paging.page),
        i64::from(paging.page_size),
    )
    .await?;
    Ok(Paged { entries, total })
}

/// Counts and sums of a user's orders. May lag by a second.
pub async fn statistics(services: &Services, user: UserId) -> Result<OrderStatistics, Unanswered> {
    Ok(projections::order_statistics(&services.database, user).await?)
}

/// One of a user's own orders, as its actor has it.
pub async fn get(
    services: &Services,
    owner: UserId,
    order_no: OrderNo,
) -> Result<Box<OrderView>, OrderError> {
    Ok(services.actors.order.request(owner.0, order_no, Query::Get { owner }).await?.answer)
}

/// Pays a user's own order in the sandbox.
pub async fn pay(
    services: &Services,
    user: UserId,
    order_no: OrderNo,
    key: Option<IdempotencyKey>,
) -> Changed {
    step(services, user, order_no, Command::Pay { user, key }).await
}

/// Cancels a user's own order that is not paid; its units go back on sale.
pub async fn cancel(
    services: &Services,
    user: UserId,
    order_no: OrderNo,
    reason: Option<String>,
    key: Option<IdempotencyKey>,
) -> Changed {
    step(services, user, order_no, Command::Cancel { owner: user, by: user, reason, key }).await
}

/// The buyer confirms that the goods have arrived.
pub async fn confirm(services: &Services, user: UserId, order_no: OrderNo) -> Changed {
    step(services, user, order_no, Command::Complete { user }).await
}

/// An administrator marks a paid order as shipped.
pub async fn ship(services: &Services, by: UserId, order_no: OrderNo, remark: Option<String>) -> Changed {
    let owner = owner(services, order_no).await?;
    step(services, owner, order_no, Command::Ship { by, remark }).await
}

/// An administrator marks a shipped order as delivered.
pub async fn deliver(services: &Services, by: UserId, order_no: OrderNo) -> Changed {
    let owner = owner(services, order_no).await?;
    step(services, owner, order_no, Command::Deliver { by }).await
}

async fn step(services: &Services, owner: UserId, order_no: OrderNo, command: Command) -> Changed {
    Ok(services.actors.order.request(owner.0, order_no, command).await?)
}

/// Whose an order is, which says which actor to ask.
async fn owner(services: &Services, order_no: OrderNo) -> Result<UserId, OrderError> {
    let owner = projections::order_owner(&services.database, order_no).await.map_err(Unanswered::from)?;
    owner.ok_or(OrderError::NotFound)
}
