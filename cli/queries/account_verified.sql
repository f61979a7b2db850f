select private.note_verified_keys(%(id)s, %(key_info)s, %(may_trade)s) as status
