//! Streams of table rows (COPY), out of PostgreSQL and into it.

use std::pin::Pin;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};

use crate::connection::error::DbError;
use crate::connection::transaction::Flight;

/// A stream of table rows out of PostgreSQL, in PostgreSQL's text format. If the stream is dropped before its
/// end, its connection is closed.
pub struct CopyOut<'a> {
    /// `None` after the last piece.
    flight: Option<Flight<'a>>,
    stream: Pin<Box<tokio_postgres::CopyOutStream>>,
}

impl<'a> CopyOut<'a> {
    pub(crate) fn new(flight: Flight<'a>, stream: tokio_postgres::CopyOutStream) -> Self {
        Self { flight: Some(flight), stream: Box::pin(stream) }
    }

    /// Returns the next piece, or `None` after the last one.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, DbError> {
        if self.flight.is_none() {
            return Ok(None);
        }
        let piece = self.stream.next().await.transpose();
        match (piece, self.flight.take()) {
            (Ok(Some(piece)), flight) => {
                self.flight = flight;
                Ok(Some(piece))
            }
            (answer, Some(flight)) => flight.land(answer.map(|_| None)),
            (answer, None) => Ok(answer.map(|_| None)?),
        }
    }
}

/// A stream of table rows into PostgreSQL. If the stream is dropped before [`CopyIn::finish`], no row is
/// stored and its connection is closed.
pub struct CopyIn<'a> {
    flight: Flight<'a>,
    sink: Pin<Box<tokio_postgres::CopyInSink<Bytes>>>,
}

impl<'a> CopyIn<'a> {
    pub(crate) fn new(flight: Flight<'a>, sink: tokio_postgres::CopyInSink<Bytes>) -> Self {
        Self { flight, sink: Box::pin(sink) }
    }

    /// Sends one piece.
    ///
    /// # Errors
    /// [`DbError`] when PostgreSQL refuses an earlier piece.
    pub async fn send(&mut self, piece: Bytes) -> Result<(), DbError> {
        let Err(error) = self.sink.send(piece).await else { return Ok(()) };
        self.flight.transaction.failed.store(true, Ordering::Relaxed);
        // PostgreSQL sends a refusal before the end of the copy. The text of the refusal is in the answer to
        // `finish`.
        let refusal = self.sink.as_mut().finish().await.err();
        Err(DbError::Query(refusal.filter(|refusal| refusal.as_db_error().is_some()).unwrap_or(error)))
    }

    /// Ends the copy and returns the number of rows.
    ///
    /// # Errors
    /// [`DbError`] when PostgreSQL refuses a row.
    pub async fn finish(mut self) -> Result<u64, DbError> {
        let answer = self.sink.as_mut().finish().await;
        self.flight.land(answer)
    }
}
