"""What becomes of a try to sign in through a provider, each under a name. Pure."""

from enum import StrEnum

PENDING_SECONDS = 600
"""How long a browser may stay at the provider."""


class Ending(StrEnum):
    """What became of a try to sign in; each is a label value of `plimsoll_oidc_sign_ins_total`."""

    SIGNED_IN = "signed_in"
    CANCELLED = "cancelled"
    UNREACHABLE = "unreachable"
    PROVIDER = "provider"
    STATE = "state"
    CODE = "code"
    SIGNATURE = "signature"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED = "expired"
    NONCE = "nonce"
    AUDIENCE = "audience"
    CLAIMS = "claims"
    NOT_ALLOWED = "not_allowed"


IN_WORDS = {
    Ending.SIGNED_IN: "Signed in.",
    Ending.CANCELLED: "The provider did not let you in, or you cancelled.",
    Ending.UNREACHABLE: "The provider cannot be reached. Try again, or sign in with a token.",
    Ending.PROVIDER: "What the provider says of itself cannot be used; the log says why.",
    Ending.STATE: "This sign-in was not begun in this browser, took too long, or was used already. "
    "Begin again.",
    Ending.CODE: "The provider did not take the code; begin again. If it stays so, the client's "
    "secret or its redirect address is wrong.",
    Ending.SIGNATURE: "The signature of the provider's answer is wrong.",
    Ending.UNKNOWN_KEY: "The provider's answer is signed with a key that it does not publish.",
    Ending.EXPIRED: "The provider's answer has expired: is a clock wrong?",
    Ending.NONCE: "The provider's answer is not one to this sign-in.",
    Ending.AUDIENCE: "The provider's answer is for another program.",
    Ending.CLAIMS: "The provider's answer lacks what it must say, or is of another provider.",
    Ending.NOT_ALLOWED: "You are known to the provider, but no group or e-mail address of yours is "
    "allowed here.",
}


class SignInError(Exception):
    """A try that failed."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(IN_WORDS[ending])
        self.ending = ending
