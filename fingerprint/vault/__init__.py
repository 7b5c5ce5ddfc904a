"""The vault: where a machine's fingerprint and keys are kept, in the reference's layout and bytes.

    from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY, Vault

`vault` reads, `edit` writes. The package loads no more than reading needs.
"""

from fingerprint.vault.records import FINGERPRINT_KEY as FINGERPRINT_KEY
from fingerprint.vault.records import REGISTRATION_KEY as REGISTRATION_KEY
from fingerprint.vault.vault import Vault as Vault
