//! The macro that makes the codes of a table.

macro_rules! codes {
    ($($variant:ident = $code:literal, $status:ident, $title:literal, $advice:literal;)+) => {
        /// The problem with a request, or the reason why the server cannot answer it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)+ }

        impl Code {
            /// Every code, in the order of the page.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name, such as `insufficient_stock`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The HTTP status of a problem with this code.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// A short summary that is the same for every problem with this code.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// The action that a client or a person should take.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)+ }
            }
        }
    };
}

pub(super) use codes;
