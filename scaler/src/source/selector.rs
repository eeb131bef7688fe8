//! Label matchers: parsed, and rendered anew.
