select private.rotate_account_keys(%(id)s, %(ciphertext)s, %(salt)s, %(key_version)s, %(permissions)s, %(key_info)s)
