//! Delivers what sagas say.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use prometheus::{IntCounterVec, IntGauge};
use stampede_platform::{
    engine::{Database, limits::DATABASE_ANSWER_MS},
    journal::{Entry, Journal, Position, Subscription, advance_checkpoints},
    runtime::AskError,
};
use tokio::sync::Semaphore;
use tracing::{Instrument, error, info_span, warn};

use super::{NextCommand, Saga, dead_letters, window::Window};
use crate::{
    actors::Actors,
    sagas::limits::{
        CHECKPOINT_INTERVAL_MS, SAGA_PAUSES_MAX, SAGA_RETRY_MS, SAGA_TRIES_MAX, SAGA_WINDOW_MAX,
    },
};

/// The name of the driver's checkpoints.
const SUBSCRIPTION: &str = "saga";

/// What the driver reports of itself.
#[derive(Clone)]
pub struct SagaMetrics {
    /// Entries committed and not yet handed to the sagas.
    pub lag: IntGauge,
    /// Entries whose commands are under way.
    pub under_way: IntGauge,
    /// Commands given up and kept for the administrator, by saga.
    pub dead_letters: IntCounterVec,
}

/// The task that drives every saga of the shards held here.
pub struct Driver {
    database: Database,
    subscription: Subscription,
    actors: Actors,
    sagas: Vec<Saga>,
    metrics: SagaMetrics,
    window: Arc<Mutex<Window>>,
    places: Arc<Semaphore>,
}

/// Why a command was not done.
pub(super) enum Failure {
    /// It will never be: the receiver decided against it.
    Refused(String),
    /// It may be, later.
    Passing(String),
    /// Its receiver, or the way there, is away: that says nothing about the command.
    Unheard(String),
}

impl Driver {
    /// A driver that goes on where the last one ended.
    pub async fn open(
        database: &Database,
        journal: &Journal,
        actors: Actors,
        sagas: Vec<Saga>,
        metrics: SagaMetrics,
    ) -> Result<Self, sqlx::Error> {
        Ok(Self {
            database: database.clone(),
            subscription: Subscription::open(SUBSCRIPTION, database, journal).await?,
            actors,
            sagas,
            metrics,
            window: Arc::default(),
            places: Arc::new(Semaphore::new(SAGA_WINDOW_MAX)),
        })
    }

    /// Drives until the process ends.
    pub async fn run(mut self) {
        tokio::spawn(keep_checkpoints(self.database.clone(), self.window.clone(), self.metrics.clone()));
        loop {
            match self.subscription.next().await {
                Ok(entries) if entries.is_empty() => return,
                Ok(entries) => {
                    self.metrics.lag.set(self.subscription.lag());
                    for entry in entries {
                        self.drive(entry).await;
                    }
                }
                Err(cause) => {
                    warn!(%cause, "sagas wait for the database");
                    tokio::time::sleep(Duration::from_millis(SAGA_RETRY_MS)).await;
                }
            }
        }
    }

    async fn drive(&self, entry: Entry) {
        let mut next = Vec::new();
        for saga in &self.sagas {
            match (saga.next)(&entry) {
                Ok(commands) => next.extend(commands.into_iter().map(|command| (saga.name, command))),
                Err(cause) => error!(saga = saga.name, position = ?entry.position, %cause,
                    "an event cannot be read; what commands from it is not done"),
            }
        }
        let position = entry.position;
        with(&self.window, |window| window.began(position));
        if next.is_empty() {
            with(&self.window, |window| window.done(position));
            return;
        }
        let Ok(place) = self.places.clone().acquire_owned().await else { return };
        let span = info_span!(parent: &entry.span, "saga", event = &*entry.event_type);
        // The first try of every command enters its receiver's mailbox here, in the journal's order.
        let mut under_way = Vec::with_capacity(next.len());
        for (saga, command) in next {
            let first = span.in_scope(|| self.actors.begin(command.clone()));
            under_way.push((saga, command, first));
        }
        let (actors, database) = (self.actors.clone(), self.database.clone());
        let (window, metrics) = (self.window.clone(), self.metrics.clone());
        tokio::spawn(
            async move {
                for (saga, command, first) in under_way {
                    if let Err(failure) = first.await {
                        deliver(&actors, &database, &metrics, (saga, position), &command, failure).await;
                    }
                }
                with(&window, |window| window.done(position));
                drop(place);
            }
            .instrument(span),
        );
    }
}

/// Tries again until it is done, or keeps it as a dead letter: a command that keeps failing must not hold up
/// others.
/// Failures while the database is away do not count, for they say nothing about the command.
async fn deliver(
    actors: &Actors,
    database: &Database,
    metrics: &SagaMetrics,
    (saga, position): (&'static str, Position),
    command: &NextCommand,
    mut failure: Failure,
) {
    let (mut tries, mut pauses) = (0, 0);
    loop {
        let cause = match failure {
            Failure::Refused(cause) => {
                tries = SAGA_TRIES_MAX;
                cause
            }
            Failure::Passing(cause) => {
                if database.ping().await.is_ok() {
                    tries += 1;
                }
                cause
            }
            Failure::Unheard(cause) => cause,
        };
        if tries >= SAGA_TRIES_MAX && dead_letters::keep(database, saga, position, command, &cause).await {
            metrics.dead_letters.with_label_values(&[saga]).inc();
            error!(saga, ?position, cause, "a command is a dead letter now; an administrator can retry it");
            return;
        }
        pauses = (pauses + 1).min(SAGA_PAUSES_MAX);
        tokio::time::sleep(Duration::from_millis(SAGA_RETRY_MS << pauses)).await;
        match actors.begin(command.clone()).await {
            Ok(()) => return,
            Err(next) => failure = next,
        }
    }
}

impl Actors {
    /// Hands a command to its receiver at once; the future answers after the receiver's commit.
    pub(super) fn begin(
        &self,
        command: NextCommand,
    ) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
        let answer: futures_util::future::BoxFuture<'static, Result<(), Failure>> = match command {
            NextCommand::Stock { sku, command } => {
                let answer = self.stock.begin(sku.0, sku, command);
                Box::pin(async move { answer.await.map(drop).map_err(failure) })
            }
            NextCommand::Order { user, order_no, command } => {
                let answer = self.order.begin(user.0, order_no, *command);
                Box::pin(async move { answer.await.map(drop).map_err(failure) })
            }
        };
        answer
    }
}

fn failure<R: std::fmt::Debug>(error: AskError<R>) -> Failure {
    let cause = error.to_string();
    match error {
        AskError::Refused(_) => Failure::Refused(cause),
        AskError::Overloaded | AskError::Unavailable => Failure::Passing(cause),
        AskError::OutcomeUnknown => Failure::Unheard(cause),
    }
}

async fn keep_checkpoints(database: Database, window: Arc<Mutex<Window>>, metrics: SagaMetrics) {
    loop {
        tokio::time::sleep(Duration::from_millis(CHECKPOINT_INTERVAL_MS)).await;
        let (marks, under_way) = with(&window, |window| (window.moved(), window.len()));
        metrics.under_way.set(i64::try_from(under_way).unwrap_or(i64::MAX));
        let Some(marks) = marks else { continue };
        let kept = async {
            let mut connection = database.connection().await?;
            advance_checkpoints(&mut connection, SUBSCRIPTION, &marks).await
        };
        if let Err(cause) = database.within(DATABASE_ANSWER_MS, kept).await {
            warn!(%cause, "the sagas' checkpoint was not kept; it will be");
            with(&window, Window::not_kept);
        }
    }
}

fn with<T>(window: &Mutex<Window>, act: impl FnOnce(&mut Window) -> T) -> T {
    act(&mut window.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}
