//! Steps of one transaction whose statements are sent in one flight.

use futures_util::FutureExt;
use futures_util::future::{join, join3, join4, join5};

/// Steps that can be awaited together: a tuple of two to six futures with one type of error.
pub trait Steps {
    /// The tuple of the results, in the order of the steps.
    type Output;
    /// The type of error that all steps share.
    type Error;
    /// Awaits every step and returns their results. [`all`] calls this method.
    ///
    /// # Errors
    /// The error of the first step that failed, in the order of the tuple.
    fn join_all(self) -> impl Future<Output = Result<Self::Output, Self::Error>>;
}

/// Runs the steps of one transaction and sends their first statements in one flight. PostgreSQL runs the
/// statements in order.
///
/// Every step is awaited, even after another step has failed. A step that is dropped with a statement in
/// flight would close the connection.
///
/// # Errors
/// The error of the first step that failed, in the order of the tuple. The errors of later steps often only
/// say that the transaction had failed.
///
/// ```
/// # async fn example() -> Result<(), std::fmt::Error> {
/// let (one, two, three) = tenancy::all((async { Ok(1) }, async { Ok(2) }, async { Ok(3) })).await?;
/// # assert_eq!(one + two + three, 6);
/// # Ok(()) }
/// ```
pub fn all<S: Steps>(steps: S) -> impl Future<Output = Result<S::Output, S::Error>> {
    // `join` of futures_util polls its futures in order, and a transaction sends its statements in the order
    // of their first polls.
    //
    // An `async fn` would hold the steps twice: as its arguments and as the future that it awaits. Nested
    // steps would double in size at each level. `all` is therefore not an `async fn`.
    steps.join_all()
}

impl<A, B, E, FA, FB> Steps for (FA, FB)
where
    FA: Future<Output = Result<A, E>>,
    FB: Future<Output = Result<B, E>>,
{
    type Output = (A, B);
    type Error = E;
    fn join_all(self) -> impl Future<Output = Result<(A, B), E>> {
        join(self.0, self.1).map(|(a, b)| Ok((a?, b?)))
    }
}

impl<A, B, C, E, FA, FB, FC> Steps for (FA, FB, FC)
where
    FA: Future<Output = Result<A, E>>,
    FB: Future<Output = Result<B, E>>,
    FC: Future<Output = Result<C, E>>,
{
    type Output = (A, B, C);
    type Error = E;
    fn join_all(self) -> impl Future<Output = Result<(A, B, C), E>> {
        join3(self.0, self.1, self.2).map(|(a, b, c)| Ok((a?, b?, c?)))
    }
}

impl<A, B, C, D, E, FA, FB, FC, FD> Steps for (FA, FB, FC, FD)
where
    FA: Future<Output = Result<A, E>>,
    FB: Future<Output = Result<B, E>>,
    FC: Future<Output = Result<C, E>>,
    FD: Future<Output = Result<D, E>>,
{
    type Output = (A, B, C, D);
    type Error = E;
    fn join_all(self) -> impl Future<Output = Result<(A, B, C, D), E>> {
        join4(self.0, self.1, self.2, self.3).map(|(a, b, c, d)| Ok((a?, b?, c?, d?)))
    }
}

impl<A, B, C, D, G, E, FA, FB, FC, FD, FG> Steps for (FA, FB, FC, FD, FG)
where
    FA: Future<Output = Result<A, E>>,
    FB: Future<Output = Result<B, E>>,
    FC: Future<Output = Result<C, E>>,
    FD: Future<Output = Result<D, E>>,
    FG: Future<Output = Result<G, E>>,
{
    type Output = (A, B, C, D, G);
    type Error = E;
    fn join_all(self) -> impl Future<Output = Result<(A, B, C, D, G), E>> {
        join5(self.0, self.1, self.2, self.3, self.4).map(|(a, b, c, d, g)| Ok((a?, b?, c?, d?, g?)))
    }
}

impl<A, B, C, D, G, H, E, FA, FB, FC, FD, FG, FH> Steps for (FA, FB, FC, FD, FG, FH)
where
    FA: Future<Output = Result<A, E>>,
    FB: Future<Output = Result<B, E>>,
    FC: Future<Output = Result<C, E>>,
    FD: Future<Output = Result<D, E>>,
    FG: Future<Output = Result<G, E>>,
    FH: Future<Output = Result<H, E>>,
{
    type Output = (A, B, C, D, G, H);
    type Error = E;
    fn join_all(self) -> impl Future<Output = Result<(A, B, C, D, G, H), E>> {
        let (first, second) = (join3(self.0, self.1, self.2), join3(self.3, self.4, self.5));
        join(first, second).map(|((a, b, c), (d, g, h))| Ok((a?, b?, c?, d?, g?, h?)))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::all;

    #[tokio::test]
    async fn all_steps_run_and_the_first_error_is_returned() {
        let ran = RefCell::new(Vec::new());
        let step = |number: i32, result: Result<i32, &'static str>| {
            let ran = &ran;
            async move {
                ran.borrow_mut().push(number);
                tokio::task::yield_now().await;
                result
            }
        };
        let steps = (step(1, Ok(1)), step(2, Err("second")), step(3, Ok(3)), step(4, Err("fourth")));
        assert_eq!(all(steps).await, Err("second"));
        assert_eq!(*ran.borrow(), [1, 2, 3, 4]);
        let six =
            (step(1, Ok(1)), step(2, Ok(2)), step(3, Ok(3)), step(4, Ok(4)), step(5, Ok(5)), step(6, Ok(6)));
        assert_eq!(all(six).await, Ok((1, 2, 3, 4, 5, 6)));
    }
}
