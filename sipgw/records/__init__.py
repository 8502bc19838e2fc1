"""Records of calls: CDRs, recordings, captures, bundles, webhooks."""
