//! The directories of the shop's actors, one for each kind of entity.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use stampede_domain::{cart::Cart, order::Order, stock::Stock};
use stampede_kernel::Entity;
use stampede_platform::{
    cluster::Directories,
    runtime::{Registry, Runtime},
};

pub type StockActors = Registry<Stock>;

/// Declares the directories: a line for each kind of entity.
macro_rules! actors {
    ($($(#[$doc:meta])* $name:ident: $entity:ty),+ $(,)?) => {
        /// The directories of the shop's actors.
        #[derive(Clone)]
        pub struct Actors {
            $($(#[$doc])* pub $name: Arc<Registry<$entity>>),+
        }

        /// What the kinds of entities are called in addresses, in the journal and in metrics.
        pub const KINDS: &[&str] = &[$(<$entity>::KIND),+];

        impl Actors {
            /// Empty directories, and the supervisors that must run with them.
            #[must_use]
            pub fn new(runtime: &Arc<Runtime>) -> (Self, Vec<BoxFuture<'static, ()>>) {
                let mut supervisors: Vec<BoxFuture<'static, ()>> = Vec::new();
                $(
                    let (directory, supervisor) = Registry::new(runtime.clone());
                    supervisors.push(Box::pin(supervisor.run()));
                    let $name = directory;
                )+
                (Self { $($name),+ }, supervisors)
            }

            /// The same directories for those who do not know the entities.
            #[must_use]
            pub fn directories(&self) -> Directories {
                Arc::new(vec![$(self.$name.clone()),+])
            }
        }
    };
}

actors! {
    /// The stock of each SKU.
    stock: Stock,
    /// The orders of each user.
    order: Order,
    /// The cart of each user.
    cart: Cart,
}
