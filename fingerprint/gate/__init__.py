"""Decide which fingerprint a token request sends: collect, match, keep or mint, store.

from fingerprint.gate import Gate, Policy, first_record, set_threshold
"""

from fingerprint.gate.evidence import keep_evidence as keep_evidence
from fingerprint.gate.evidence import keep_snapshot as keep_snapshot
from fingerprint.gate.evidence import record_rest as record_rest
from fingerprint.gate.evidence import recorder_of as recorder_of
from fingerprint.gate.gate import Gate as Gate
from fingerprint.gate.gate import Policy as Policy
from fingerprint.gate.gate import require_conclusive as require_conclusive
from fingerprint.gate.gate import require_policy as require_policy
from fingerprint.gate.minting import first_record as first_record
from fingerprint.gate.minting import prepared_record as prepared_record
from fingerprint.gate.minting import refuse_existing as refuse_existing
from fingerprint.gate.minting import require_recipe as require_recipe
from fingerprint.gate.renewal import renew as renew
from fingerprint.gate.renewal import require_storable as require_storable
from fingerprint.gate.ruling import ruling_of as ruling_of
from fingerprint.gate.ruling import ruling_on as ruling_on
from fingerprint.gate.ruling import unreadable_hardware as unreadable_hardware
from fingerprint.gate.threshold import check_threshold as check_threshold
from fingerprint.gate.threshold import set_threshold as set_threshold
