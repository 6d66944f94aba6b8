//! The runner of the integration binary.
//!
//! A test is an async function. It gets a tokio runtime of its own, so that nothing of one test
//! lives on in another. Light tests share the machine; a heavy one has it alone.

use std::{
    future::Future,
    pin::Pin,
    process::ExitCode,
    sync::{Arc, PoisonError, RwLock},
};

use libtest_mimic::{Arguments, Trial};

use crate::{postgres::Postgres, shop::Engine, stampede::remove_binary};

/// A test's future.
pub type Body = Pin<Box<dyn Future<Output = ()>>>;

/// A test with its name.
#[derive(Clone)]
pub struct Case {
    /// The path of its module inside the binary.
    module: String,
    name: String,
    heavy: bool,
    body: Arc<dyn Fn() -> Body + Send + Sync>,
}

impl Case {
    /// A test that runs once.
    pub fn once<F, Fut>(module: &str, name: &str, test: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let (module, name) = (short(module).to_owned(), name.to_owned());
        Self { module, name, heavy: false, body: Arc::new(move || Box::pin(test())) }
    }

    /// A test that runs once on every engine.
    pub fn per_engine<F, Fut>(module: &str, name: &str, test: F) -> Vec<Self>
    where
        F: Fn(Engine) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        let on = |engine: Engine| Self::once(module, &format!("{name}::{engine}"), move || test(engine));
        Engine::ALL.map(on).into()
    }

    /// The same test, alone on the machine. Its name says so, for runners that must know it too.
    #[must_use]
    pub fn heavy(self) -> Self {
        Self { heavy: true, ..self }
    }

    fn full_name(&self) -> String {
        let heavy = if self.heavy { "heavy::" } else { "" };
        format!("{}::{heavy}{}", self.module, self.name)
    }
}

/// The tests named, each to be run once.
#[macro_export]
macro_rules! once {
    ($($test:ident),* $(,)?) => {
        vec![$($crate::Case::once(module_path!(), stringify!($test), $test)),*]
    };
}

/// The tests named, each to be run on every engine; each takes the engine.
#[macro_export]
macro_rules! per_engine {
    ($($test:ident),* $(,)?) => {
        [$($crate::Case::per_engine(module_path!(), stringify!($test), $test)),*].concat()
    };
}

/// Runs the tests that the command line asks for, then stops the shared servers.
pub fn run(cases: Vec<Case>) -> ExitCode {
    let arguments = Arguments::from_args();
    let machine = Arc::new(RwLock::new(()));
    let trials = cases.into_iter().map(|case| trial(case, machine.clone())).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    Postgres::stop_shared();
    remove_binary();
    conclusion.exit_code()
}

fn trial(case: Case, machine: Arc<RwLock<()>>) -> Trial {
    let name = case.full_name();
    let Case { heavy, body, .. } = case;
    Trial::test(name, move || {
        // A test that panicked harmed nobody's half of the lock.
        if heavy {
            let _alone = machine.write().unwrap_or_else(PoisonError::into_inner);
            block_on(body());
        } else {
            let _shared = machine.read().unwrap_or_else(PoisonError::into_inner);
            block_on(body());
        }
        Ok(())
    })
}

fn block_on(body: Body) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(body);
    runtime.shutdown_background();
}

/// The path of a test module inside the binary.
fn short(module: &str) -> &str {
    module.split_once("::").map_or(module, |(_, rest)| rest)
}
