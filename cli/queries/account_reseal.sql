select private.reseal_account_keys(%(id)s, %(sealed)s, %(ciphertext)s, %(salt)s, %(key_version)s) as resealed
