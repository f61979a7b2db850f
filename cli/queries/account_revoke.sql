select private.revoke_account_keys(%(id)s, %(leave)s)
