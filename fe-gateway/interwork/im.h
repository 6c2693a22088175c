/*
 * Page-mode messages both ways (RFC 7572, RFC 3428): [B4-01] to [B4-14] and the section "Until the rest is built" of proto/delivery.md.
 * Each function decides one outcome; nothing is dropped without a rule, and nothing refused without a reason.
 */
#ifndef GATEWAY_INTERWORK_IM_H
#define GATEWAY_INTERWORK_IM_H

#include "interwork/errors.h"
#include "xfed/stanza.h"

#define IW_SUBJECT_BYTES 1024 /* limit of a subject, cut between characters; it becomes one of the header fields, which have 16 KiB together */
#define IW_THREAD_BYTES	 256  /* a longer <thread/> is not remembered: it would be kept for 24 h per pair of addresses ([B4-07]) */

/* What bodies are read, for Accept. */
#define IW_IM_ACCEPT	  "text/plain"
#define IW_IM_ACCEPT_RICH "text/plain, multipart/alternative, text/html"

enum iw_fate {
	IW_DELIVER,
	IW_DROP,   /* dropped without an answer, by `rule` */
	IW_REFUSE, /* the sender gets the error */
	IW_NO_MEMORY,
};

/* ---- XMPP to SIP ---- */

/* Spans point into the arena or the stanza's tree, and are valid as long as both. */
struct iw_sip_im {
	struct xfed_span body;	      /* UTF-8, with line ends unchanged ([B4-13]); never empty */
	struct xfed_span subject;     /* one line; data NULL: none */
	struct xfed_span language;    /* a language tag; data NULL: none */
	struct xfed_span thread;      /* data NULL: none */
	int64_t sent_s;		      /* when it was sent, according to the stanza; 0: not said ([B4-10]) */
	const char *untold;	      /* REFUSE: what to tell the sender besides the reason; NULL: nothing */
	const char *rule;	      /* DROP: "type-error", "headline", "no-body"; otherwise NULL */
	struct iw_xmpp_error refusal; /* for REFUSE */
};

/*
 * Decides about a message stanza to a local user. Of several bodies the one without xml:lang is taken, else the one in the stanza's
 * language, else the first ([B4-12]). Type groupchat is refused with service-unavailable ([B4-11]), and content that is no plain text
 * (interwork/payload.h) with not-acceptable. The stanza has to be a message.
 */
enum iw_fate iw_im_to_sip(struct xfed_arena *a, const struct xfed_stanza *s, struct iw_sip_im *out);

/* ---- SIP to XMPP ---- */

/* Header values as received; data NULL: absent. Borrowed; see iw_im_to_xmpp(). */
struct iw_sip_message {
	struct xfed_span content_type;
	struct xfed_span content_encoding;
	struct xfed_span content_language;
	struct xfed_span content_disposition;
	struct xfed_span subject;
	struct xfed_span body;
	struct xfed_span transfer_encoding; /* Content-Transfer-Encoding */
	bool is_rich;			    /* IW_IM_ACCEPT_RICH is read, as clients of Lync write it; else IW_IM_ACCEPT */
};

/* What the caller provides for the stanza. */
struct iw_xmpp_envelope {
	const struct xfed_jid *from; /* a full JID if the GRUU is known */
	const struct xfed_jid *to;
	struct xfed_span id;	 /* derived from the delivery's id */
	struct xfed_span type;	 /* that of the contact's last message; data NULL: none ([B4-01]) */
	struct xfed_span thread; /* the one remembered for the pair; data NULL: none */
	int64_t sent_s;		 /* when the message was sent, if that is not now: becomes <delay/>; 0: now */
};

struct iw_xmpp_im {
	struct xfed_xml_elem *elem;  /* DELIVER: the message in jabber:server */
	struct iw_sip_error refusal; /* for REFUSE */
};

/* The Content-Type of a text for clients of Lync: in this spelling, as they take no other charset and compare with lower case. */
#define IW_LYNC_TEXT_TYPE "text/plain; charset=UTF-8"

/*
 * Decides about a MESSAGE request. 415 for anything but text/plain in a charset of interwork/charset.h (with is_rich: text/html, which becomes
 * text, or a part of multipart/alternative that is one of them, the plain one first), for a content coding other than
 * identity, for a transfer encoding that RFC 2045 does not know, and for bytes that do not match these ([B4-02], [B4-14]); 400 if the body
 * is empty. Characters XML forbids are left out ([B4-13]). Never DROP. The element borrows unchanged spans of both inputs: write it out
 * before they end.
 */
enum iw_fate iw_im_to_xmpp(struct xfed_arena *a, const struct iw_sip_message *m, const struct iw_xmpp_envelope *e, struct iw_xmpp_im *out);

#endif
