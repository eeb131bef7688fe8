//! Direct scrape of exposition text.
