//! What an answer says of the purchase: bought, certainly not bought, or nobody knows.

use serde::Deserialize;
use stampede_kernel::OrderNo;

use super::{
    tally::Outcome,
    wire::{Answer, Lost},
};

/// The codes with which the sale itself refuses.
pub(super) const SALE_REFUSALS: [&str; 6] =
    ["sold_out", "limit_reached", "not_started", "ended", "paused", "insufficient_stock"];

/// An [`Outcome`] that owns its words.
pub(super) enum Bought {
    Accepted { order_no: OrderNo, replayed: bool },
    Refused { code: Word },
    Unknown { cause: Word },
}

/// A code: the usual ones need no allocation.
pub(super) enum Word {
    Usual(&'static str),
    Other(String),
}

impl Word {
    fn new(text: &str) -> Self {
        const USUAL: [&str; 5] = ["sold_out", "limit_reached", "rate_limited", "overloaded", "not_started"];
        match USUAL.into_iter().find(|usual| *usual == text) {
            Some(usual) => Self::Usual(usual),
            None => Self::Other(text.to_owned()),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Usual(text) => text,
            Self::Other(text) => text,
        }
    }
}

impl Bought {
    pub(super) fn outcome(&self) -> Outcome<'_> {
        match self {
            Self::Accepted { order_no, replayed } => {
                Outcome::Accepted { order_no: *order_no, replayed: *replayed }
            }
            Self::Refused { code } => Outcome::Refused { code: code.as_str() },
            Self::Unknown { cause } => Outcome::Unknown { cause: cause.as_str() },
        }
    }
}

/// A refusal by the sale itself settles an earlier sending whose answer was lost, for the same key
/// would have been answered with the order. A refusal on the way to it (`overloaded`,
/// `rate_limited`, `token_expired`) does not.
pub(super) fn settled(bought: Bought, maybe_bought: bool) -> Bought {
    match bought {
        Bought::Refused { code } if maybe_bought && !SALE_REFUSALS.contains(&code.as_str()) => {
            Bought::Unknown { cause: code }
        }
        Bought::Accepted { .. } | Bought::Refused { .. } | Bought::Unknown { .. } => bought,
    }
}

pub(super) enum Judged {
    Final(Bought),
    /// Worth sending again with the same key; else it ends as `bought`.
    Again {
        bought: Bought,
        why: Word,
    },
}

impl Judged {
    pub(super) fn lost(lost: Lost) -> Self {
        let why = Word::Usual(lost.name());
        let name = Word::Usual(lost.name());
        match lost {
            Lost::Unsent => Self::Again { bought: Bought::Refused { code: name }, why },
            Lost::Closed | Lost::Late | Lost::Garbled => {
                Self::Again { bought: Bought::Unknown { cause: name }, why }
            }
        }
    }
}

/// What an answer says of the purchase.
pub(super) fn judge(answer: &Answer<'_>) -> Judged {
    #[derive(Deserialize)]
    struct Accepted<'a> {
        #[serde(borrow)]
        order_no: std::borrow::Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Problem<'a> {
        #[serde(borrow)]
        code: std::borrow::Cow<'a, str>,
    }
    if (200..300).contains(&answer.status) {
        let order_no =
            serde_json::from_slice::<Accepted<'_>>(answer.body).ok().and_then(|it| it.order_no.parse().ok());
        return Judged::Final(match order_no {
            Some(order_no) => Bought::Accepted { order_no, replayed: answer.replayed },
            None => Bought::Unknown { cause: Word::Usual("accepted_without_order_no") },
        });
    }
    let code = match serde_json::from_slice::<Problem<'_>>(answer.body) {
        Ok(problem) => Word::new(&problem.code),
        Err(_) => Word::Other(format!("http_{}", answer.status)),
    };
    match (answer.status, code.as_str()) {
        (503, "overloaded" | "unavailable") => {
            let why = Word::new(code.as_str());
            Judged::Again { bought: Bought::Refused { code }, why }
        }
        (503, _) => {
            let why = Word::new(code.as_str());
            Judged::Again { bought: Bought::Unknown { cause: code }, why }
        }
        (500.., _) => Judged::Final(Bought::Unknown { cause: code }),
        _ => Judged::Final(Bought::Refused { code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> (String, bool) {
        let answer = Answer { status, replayed: false, body: body.as_bytes() };
        let (bought, again) = match judge(&answer) {
            Judged::Final(bought) => (bought, false),
            Judged::Again { bought, .. } => (bought, true),
        };
        let text = match bought.outcome() {
            Outcome::Accepted { order_no, .. } => format!("accepted {order_no}"),
            Outcome::Refused { code } => format!("refused {code}"),
            Outcome::Unknown { cause } => format!("unknown {cause}"),
        };
        (text, again)
    }

    #[test]
    fn an_answer_is_judged_by_what_it_says_of_the_purchase() {
        for (status, body, means, again) in [
            (201, r#"{"order_no":"20261120000000000001"}"#, "accepted 20261120000000000001", false),
            (
                202,
                r#"{"status":"reserved","order_no": "20261120000000000001"}"#,
                "accepted 20261120000000000001",
                false,
            ),
            (201, "{}", "unknown accepted_without_order_no", false),
            (409, r#"{"code":"sold_out"}"#, "refused sold_out", false),
            (429, r#"{"code":"rate_limited"}"#, "refused rate_limited", false),
            (404, "nothing here", "refused http_404", false),
            (503, r#"{"code":"overloaded"}"#, "refused overloaded", true),
            (503, r#"{"code":"outcome_unknown"}"#, "unknown outcome_unknown", true),
            (503, "<html>", "unknown http_503", true),
            (500, r#"{"code":"internal"}"#, "unknown internal", false),
        ] {
            assert_eq!(judged(status, body), (means.to_owned(), again), "{status} {body}");
        }
    }

    #[test]
    fn a_late_refusal_does_not_hide_that_an_earlier_sending_may_have_bought() {
        let refused = |code: &str| Bought::Refused { code: Word::new(code) };
        assert!(matches!(settled(refused("overloaded"), true), Bought::Unknown { .. }));
        assert!(matches!(settled(refused("overloaded"), false), Bought::Refused { .. }));
        assert!(matches!(settled(refused("rate_limited"), true), Bought::Unknown { .. }));
        assert!(matches!(settled(refused("sold_out"), true), Bought::Refused { .. }));
    }
}
