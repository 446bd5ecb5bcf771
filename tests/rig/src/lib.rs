//! Real Redis servers, clusters and sentinels to be started, cut, paused and killed.
