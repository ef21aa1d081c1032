#!/usr/bin/env python3
"""The command `kosoku`, with the cases of compression (12 and 13) corrected in two places.

They take the SHA-1 of each message that came back, for which they need bytes. kosoku 0.1.0 gives them bytes if the message came
compressed; one that came plain it gives as `str`, as it does in all the other sections, and the case ends with "Strings must be
encoded before hashing". But messages may be sent plain although compression was agreed on (RFC 7692, 6): small ones, and those
that would not shrink.

As servers, 13.2, 13.5, 13.6 and 13.7 answer with client_no_context_takeover, but only to a client that offers it, which says
that it would do without in any case. To one that would not, which is the one to test, they refuse compression. A server may ask
it of every client (RFC 7692, 7.1.1.2), and so they do here.
"""

from kosoku._cli import main
from kosoku._kosoku import PerMessageDeflateOffer
from kosoku.cases import CASES


def taking_text(on_message):
    def on_message_of_either_kind(self, message, binary):
        if isinstance(message, str):
            message = message.encode("latin-1" if binary else "utf-8")
        on_message(self, message, binary)

    return on_message_of_either_kind


def asking_every_client(accept):
    def accept_any(self, offers):
        return accept(self, [PerMessageDeflateOffer(acceptNoContextTakeover=True, acceptMaxWindowBits=offer.acceptMaxWindowBits,
                                                    requestNoContextTakeover=offer.requestNoContextTakeover,
                                                    requestMaxWindowBits=offer.requestMaxWindowBits) for offer in offers])

    return accept_any


for name, case in CASES.items():
    if name.startswith(("12.", "13.")):
        case.onMessage = taking_text(case.onMessage)
        case.SERVER_ACCEPT = asking_every_client(case.SERVER_ACCEPT)

if __name__ == "__main__":
    main()
