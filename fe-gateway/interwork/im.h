/*
 * Page-mode messages both ways (RFC 7572, RFC 3428): [B4-01] to [B4-14] and the section "Until the rest is built" of
 * proto/delivery.md. Each function decides one fate; nothing is dropped without a rule and nothing refused without a
 * reason.
 */
#ifndef GATEWAY_INTERWORK_IM_H
#define GATEWAY_INTERWORK_IM_H

#include "interwork/errors.h"
#include "xfed/stanza.h"

#define IW_SUBJECT_BYTES 1024 /* of a subject taken over, cut between characters; a header line among 16 KiB of them */
#define IW_THREAD_BYTES	 256  /* a longer <thread/> is not kept: it is held 24 h per pair of addresses ([B4-07]) */

enum iw_fate {
	IW_DELIVER,
	IW_DROP,   /* by the rule named, without an answer */
	IW_REFUSE, /* the sender gets the error */
	IW_NO_MEMORY,
};

/* ---- XMPP to SIP ---- */

/* Spans are in the arena or in the stanza's tree, and live as long as both. */
struct iw_sip_im {
	struct xfed_span body;	      /* UTF-8, line ends as they are ([B4-13]); never empty */
	struct xfed_span subject;     /* one line; data NULL: none */
	struct xfed_span language;    /* a language tag; data NULL: none */
	struct xfed_span thread;      /* data NULL: none */
	int64_t sent_s;		      /* when it was sent, where the stanza says so; 0: it does not ([B4-10]) */
	const char *untold;	      /* REFUSE: what its sender has to be told beside the reason; NULL: nothing */
	const char *rule;	      /* DROP: "type-error", "headline", "no-body"; otherwise NULL */
	struct iw_xmpp_error refusal; /* REFUSE */
};

/*
 * What becomes of a message stanza to a local user. Of several bodies the one without xml:lang wins, then the one in the
 * stanza's language, then the first ([B4-12]). Type groupchat is refused with
 * service-unavailable ([B4-11]), and what somebody wrote in a way that is no text (interwork/payload.h) with not-acceptable.
 * The stanza must be a message.
 */
enum iw_fate iw_im_to_sip(struct xfed_arena *a, const struct xfed_stanza *s, struct iw_sip_im *out);

/* ---- SIP to XMPP ---- */

/* Header values as received, data NULL where absent. Borrowed; see iw_im_to_xmpp(). */
struct iw_sip_message {
	struct xfed_span content_type;
	struct xfed_span content_encoding;
	struct xfed_span content_language;
	struct xfed_span content_disposition;
	struct xfed_span subject;
	struct xfed_span body;
	struct xfed_span transfer_encoding; /* Content-Transfer-Encoding */
};

/* What the caller knows of the stanza to be made. */
struct iw_xmpp_envelope {
	const struct xfed_jid *from; /* full where the GRUU is known */
	const struct xfed_jid *to;
	struct xfed_span id;	 /* derived from the delivery id */
	struct xfed_span type;	 /* of the contact's last message; data NULL: none ([B4-01]) */
	struct xfed_span thread; /* the one kept for the pair; data NULL: none */
	int64_t sent_s;		 /* when the message was sent, where that is not now: becomes <delay/>; 0: now */
};

struct iw_xmpp_im {
	struct xfed_xml_elem *elem;  /* DELIVER: the message in jabber:server */
	struct iw_sip_error refusal; /* REFUSE; its reason tells the rest */
};

/*
 * What becomes of a MESSAGE request. 415 for anything but text/plain in a charset of interwork/charset.h, for a content
 * coding other than identity, a transfer encoding of none of the names in RFC 2045, and for bytes that are not what these say
 * ([B4-02], [B4-14]); 400 where nothing is left of the body. Characters XML cannot hold are left out ([B4-13]). Never DROP. The element borrows the spans of both inputs where
 * they need no change: write it out before they go.
 */
enum iw_fate iw_im_to_xmpp(struct xfed_arena *a, const struct iw_sip_message *m, const struct iw_xmpp_envelope *e, struct iw_xmpp_im *out);

#endif
