//! What use cases answer instead of doing as asked: one exhaustive match for each.

use serde_json::json;
use stampede_domain::stock;
use stampede_kernel::{Code, FieldError};
use stampede_platform::cluster::{HandoffError, NodeCommandError};
use stampede_shop::{
    records::account::{LoginError, ProfileError, RegisterError},
    services::{
        Unanswered, accounts::LoadUsersError, administration::ActorError, carts::CartError,
        nodes::NodesError, orders::OrderError, products::ProductError, purchases::PurchaseError,
        sales::SaleError, stock_levels::StockError,
    },
};

use super::Problem;

const NO_PRODUCT: &str = "There is no such product.";
const NO_SKU: &str = "There is no such SKU.";
const NO_SKU_FOR_SALE: &str = "There is no such SKU for sale.";
const NO_SALE: &str = "There is no such flash sale.";
const OTHER_SELLERS: &str = "The product is another seller's.";

fn not_found(detail: &'static str) -> Problem {
    Problem::new(Code::NotFound).detail(detail)
}

fn conflict(detail: &'static str) -> Problem {
    Problem::new(Code::Conflict).detail(detail)
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::from(vec![error])
    }
}

impl From<Unanswered> for Problem {
    fn from(error: Unanswered) -> Self {
        match error {
            Unanswered::Database(_) | Unanswered::Catalog(_) => Problem::unavailable(&error),
            Unanswered::Overloaded => Problem::new(Code::Overloaded),
            Unanswered::Unavailable => Problem::new(Code::Unavailable),
            Unanswered::OutcomeUnknown => Problem::new(Code::OutcomeUnknown),
        }
    }
}

impl From<PurchaseError> for Problem {
    fn from(error: PurchaseError) -> Self {
        match error {
            PurchaseError::UnknownSale => not_found(NO_SALE),
            PurchaseError::NoOpenSale => not_found("There is no flash sale of this product."),
            PurchaseError::UnknownProduct => not_found(NO_PRODUCT),
            PurchaseError::NotForSale => not_found(NO_SKU_FOR_SALE),
            PurchaseError::Invalid(error) => error.into(),
            PurchaseError::IdempotencyMismatch => Problem::new(Code::IdempotencyMismatch),
            PurchaseError::Refused { refusal, sku, quantity } => {
                let short = matches!(refusal, stock::Refusal::InsufficientStock { .. });
                let problem = Problem::from(refusal);
                // Names the line that there is not enough for.
                let lines = || json!([{ "sku_id": sku.0, "quantity": quantity }]);
                if short { problem.with("lines", lines()) } else { problem }
            }
            PurchaseError::Unanswered(error) => error.into(),
        }
    }
}

impl From<SaleError> for Problem {
    fn from(error: SaleError) -> Self {
        match error {
            SaleError::UnknownSale => not_found(NO_SALE),
            SaleError::UnknownSku => Problem::field("sku_id", "unknown", NO_SKU),
            SaleError::UnknownProduct => not_found(NO_PRODUCT),
            SaleError::NotOnShelf => conflict("The product or this SKU of it is not on the shelf."),
            SaleError::Invalid(error) => error.into(),
            SaleError::IdempotencyMismatch => Problem::new(Code::IdempotencyMismatch),
            SaleError::Refused(refusal) => refusal.into(),
            SaleError::Unanswered(error) => error.into(),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::NotFound => not_found("There is no such order."),
            OrderError::Refused(refusal) => refusal.into(),
            OrderError::Unanswered(error) => error.into(),
        }
    }
}

impl From<CartError> for Problem {
    fn from(error: CartError) -> Self {
        match error {
            CartError::NotForSale => not_found(NO_SKU_FOR_SALE),
            CartError::UnknownProduct => not_found(NO_PRODUCT),
            CartError::Invalid(error) => error.into(),
            CartError::Refused(refusal) => refusal.into(),
            CartError::Unanswered(error) => error.into(),
        }
    }
}

impl From<ProductError> for Problem {
    fn from(error: ProductError) -> Self {
        match error {
            ProductError::NotFound => not_found(NO_PRODUCT),
            ProductError::OtherSellers => Problem::new(Code::Forbidden).detail(OTHER_SELLERS),
            ProductError::Invalid(errors) => errors.into(),
            ProductError::VersionConflict => Problem::new(Code::VersionConflict),
            ProductError::IdempotencyMismatch => Problem::new(Code::IdempotencyMismatch),
            ProductError::SkuCodeTaken => conflict("A SKU's code is taken."),
            ProductError::CategoryNameTaken => conflict("There is a category of that name."),
            ProductError::SaleNotOver(sale) => {
                conflict("A flash sale of the product is not over. Close it first.")
                    .with("flash_sale_id", sale.to_string())
            }
            ProductError::Refused(refusal) => refusal.into(),
            ProductError::Unanswered(error) => error.into(),
        }
    }
}

impl From<StockError> for Problem {
    fn from(error: StockError) -> Self {
        match error {
            StockError::UnknownSku => not_found(NO_SKU),
            StockError::OtherSellers => Problem::new(Code::Forbidden).detail(OTHER_SELLERS),
            StockError::Invalid(error) => error.into(),
            StockError::Refused(refusal) => refusal.into(),
            StockError::Unanswered(error) => error.into(),
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Invalid(errors) => errors.into(),
            RegisterError::UsernameTaken => conflict("The username is taken."),
            RegisterError::EmailTaken => conflict("The e-mail address is taken."),
            RegisterError::Busy => Problem::new(Code::Overloaded),
            RegisterError::Hash(_) => Problem::internal(&error),
            RegisterError::Database(_) => Problem::unavailable(&error),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::WrongCredentials => Problem::new(Code::WrongCredentials),
            LoginError::Suspended => Problem::new(Code::Forbidden).detail("The account is suspended."),
            LoginError::Busy => Problem::new(Code::Overloaded),
            LoginError::Hash(_) => Problem::internal(&error),
            LoginError::Database(_) => Problem::unavailable(&error),
        }
    }
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Invalid(errors) => errors.into(),
            // The token outlived the account.
            ProfileError::NotFound => Problem::new(Code::Unauthenticated),
            ProfileError::VersionConflict => Problem::new(Code::VersionConflict),
            ProfileError::EmailTaken => conflict("The e-mail address is taken."),
            ProfileError::Database(_) => Problem::unavailable(&error),
        }
    }
}

impl From<LoadUsersError> for Problem {
    fn from(error: LoadUsersError) -> Self {
        match error {
            LoadUsersError::SwitchedOff => not_found("Load users are switched off here."),
            LoadUsersError::Invalid(error) => error.into(),
            LoadUsersError::Failed(_) => Problem::unavailable(&error),
        }
    }
}

impl From<ActorError> for Problem {
    fn from(error: ActorError) -> Self {
        match error {
            ActorError::UnknownKind => not_found("Actors are of the kinds stock, order and cart."),
            ActorError::FaultsSwitchedOff => not_found("Fault injection is switched off here."),
            ActorError::NotInjectable => not_found("Panics are injected into stock and cart actors."),
            ActorError::Unowned => {
                Problem::new(Code::Unavailable).detail("Nobody owns the actor's shard at the moment.")
            }
            ActorError::Command(NodeCommandError::NotQuarantined) => {
                conflict("This actor is not quarantined.")
            }
            ActorError::Command(error) => error.into(),
        }
    }
}

impl From<NodesError> for Problem {
    fn from(error: NodesError) -> Self {
        match error {
            NodesError::UnknownShard => Problem::new(Code::NotFound),
            NodesError::UnknownNode => not_found("There is no such node."),
            NodesError::Unowned => {
                Problem::new(Code::Unavailable).detail("Nobody owns the shard at the moment.")
            }
            NodesError::Command(error) => error.into(),
            NodesError::Unanswered(error) => error.into(),
        }
    }
}

impl From<NodeCommandError> for Problem {
    fn from(error: NodeCommandError) -> Self {
        match error {
            NodeCommandError::Handoff(HandoffError::NobodyThere) => {
                Problem::new(Code::Conflict).detail(format!("The shards stay where they are: {error}."))
            }
            // It has just moved, or its owner is not sure of it at the moment.
            NodeCommandError::Handoff(HandoffError::NotHeld) => {
                Problem::new(Code::Unavailable).detail("The shard is on its way; ask again.")
            }
            NodeCommandError::Unanswered => Problem::new(Code::OutcomeUnknown),
            NodeCommandError::Unreachable
            | NodeCommandError::Handoff(
                HandoffError::Busy | HandoffError::LeaseLost | HandoffError::Database(_),
            )
            | NodeCommandError::NotQuarantined
            | NodeCommandError::Failed => Problem::unavailable(&error),
        }
    }
}
