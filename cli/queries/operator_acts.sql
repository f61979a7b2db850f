select set_config('sigtrail.actor', %(actor)s, false), set_config('sigtrail.reason', %(reason)s, false)
