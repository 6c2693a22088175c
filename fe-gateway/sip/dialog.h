/*
 * A dialog (RFC 3261 section 12): the state that two user agents share between requests. Owned by sessions (INVITE) and subscriptions (RFC
 * 6665) through the layer (sip/legs.c).
 *
 *   Call-ID, local tag, remote tag   identify the dialog: requests inside it are found by them (sip_key_dialog())
 *   remote target                    the peer's Contact: the Request-URI of the next request
 *   route set                        the Record-Route values of the request or response that made the dialog
 *   CSeq                             ours counts up with every request; the peer's must not go back
 *
 * A dialog of an INVITE is early until a 2xx confirms it; all others are confirmed at once. A dialog owns copies of all it holds. The
 * caller decides where a request may be sent: Contact and Record-Route are claims of the peer, which must not make us connect anywhere.
 */
#ifndef GATEWAY_SIP_DIALOG_H
#define GATEWAY_SIP_DIALOG_H

#include "sip/key.h"
#include "sip/message.h"
#include "sip/print.h"
#include "xfed/buf.h"

/* The texts of a dialog. There may be very many dialogs, so they keep no span of each: sip_dialog_text(). */
enum sip_dialog_text {
	SIP_DIALOG_CALL_ID,
	SIP_DIALOG_LOCAL_TAG,
	SIP_DIALOG_REMOTE_TAG, /* empty: the peer follows RFC 2543 */
	SIP_DIALOG_LOCAL_URI,  /* without <> */
	SIP_DIALOG_REMOTE_URI,
	SIP_DIALOG_ROUTE_SET,  /* values separated by commas */
	SIP_DIALOG_TARGET,     /* the remote target */
	SIP_DIALOG_STRICT_URI, /* where the first route is a strict router: Request-URI and Route of the next request */
	SIP_DIALOG_STRICT_ROUTE,
	SIP_DIALOG_TEXTS
};

struct sip_dialog {
	char *identity, *way;		/* texts one behind the other: those up to REMOTE_URI, and the others */
	uint32_t len[SIP_DIALOG_TEXTS]; /* of each */
	uint32_t local_cseq;		/* of the last request of ours */
	uint32_t remote_cseq;		/* of the last request of the peer */
	bool has_remote_cseq;
	bool is_early;
	bool is_printable; /* its texts have been printed in a request as they are */
	uint32_t judged; /* a mark of the layer's driver: its judgement of the way of requests (sip_layer_dialog_judged()); 0: the way has changed */
};

struct xfed_span sip_dialog_text(const struct sip_dialog *d, enum sip_dialog_text which); /* borrowed until the dialog changes */
struct xfed_span sip_dialog_uri(const struct sip_dialog *d);				  /* the Request-URI of the next request */
struct xfed_span sip_dialog_route(const struct sip_dialog *d);				  /* its Route; empty: none */

/* What a dialog of a request of ours starts from; copied. It has to have a From tag. */
struct sip_dialog_start {
	struct xfed_span call_id, local_tag, local_uri, remote_uri;
	uint32_t cseq;
};

/*
 * For a request of the peer that we answer with `local_tag` in To (section 12.1.1). If the request has a To tag, it is of a dialog that a
 * process before had, and our numbers begin far behind (SIP_DIALOG_CSEQ_AHEAD). OK: the caller releases `*out` with sip_dialog_free().
 * INVALID: there is not exactly one Contact with a SIP URI (RFC 3261 section 8.1.1.8): answer 400. NOMEM.
 */
int sip_dialog_of_request(const struct sip_message *request, struct xfed_span local_tag, struct sip_dialog **out);
/*
 * For a provisional response or 2xx to a request of ours (section 12.1.2); a provisional one makes an early dialog. INVALID: no To tag, or
 * no usable Contact in a 2xx (an early dialog uses the Request-URI instead). NOMEM.
 */
int sip_dialog_of_response(const struct sip_dialog_start *sent, const struct sip_message *response, struct sip_dialog **out);
/* For a NOTIFY that comes before the response to our SUBSCRIBE, or from another fork (RFC 6665 section 4.4.1). INVALID, NOMEM. */
int sip_dialog_of_notify(const struct sip_dialog_start *sent, const struct sip_message *notify, struct sip_dialog **out);
/* For another request that comes before the response to our INVITE: early. Without a Contact the peer is reached as before. INVALID, NOMEM. */
int sip_dialog_of_early(const struct sip_dialog_start *sent, const struct sip_message *request, struct sip_dialog **out);
void sip_dialog_free(struct sip_dialog *d);

/*
 * To outlive the process: its values, one a line (none of them can hold an end of line), and the dialog of such a text. Requests of ours
 * that came after it was written have taken numbers: those of the dialog that is read begin far behind (SIP_DIALOG_CSEQ_AHEAD).
 * Writing: OK, or as xfed_buf. Reading: INVALID, NOMEM.
 */
#define SIP_DIALOG_CSEQ_AHEAD ((uint32_t)1 << 17)
int sip_dialog_write(const struct sip_dialog *d, struct xfed_buf *out);
int sip_dialog_read(struct xfed_span text, struct sip_dialog **out);

/* For the 2xx of an early dialog: its Contact and Record-Route replace those of the provisional response (section 13.2.2.4). */
int sip_dialog_confirm(struct sip_dialog *d, const struct sip_message *response);

enum sip_dialog_verdict {
	SIP_DIALOG_TAKEN,
	SIP_DIALOG_OUT_OF_ORDER, /* its CSeq is lower than the last one: 500 (section 12.2.2) */
	SIP_DIALOG_BAD_CONTACT,	 /* a target refresh without a usable Contact: 400 */
	SIP_DIALOG_NO_MEMORY,	 /* nothing has changed */
};

/* Checks a request of the peer inside the dialog. The Contact of INVITE, UPDATE, SUBSCRIBE and NOTIFY becomes the remote target. */
enum sip_dialog_verdict sip_dialog_take(struct sip_dialog *d, const struct sip_message *request);
/* For a 2xx to a target refresh of ours: its Contact, if there is one, becomes the remote target. OK or NOMEM. */
int sip_dialog_answered(struct sip_dialog *d, const struct sip_message *response);

/*
 * Fills in what a request inside the dialog takes from it, with the next CSeq. Spans are borrowed until the dialog changes. For the ACK of
 * an INVITE, which has the INVITE's CSeq, use sip_dialog_ack(). False: all 2^31 numbers are used up.
 */
bool sip_dialog_request(struct sip_dialog *d, struct xfed_span method, struct sip_request *out);
void sip_dialog_ack(const struct sip_dialog *d, uint32_t invite_cseq, struct sip_request *out);
/* The URI whose host is the next hop: the first route, or the target. */
struct xfed_span sip_dialog_next_hop(const struct sip_dialog *d);

/* The key of a dialog; for a request inside one: sip_key_dialog(secret, call_id, its To tag, its From tag). */
struct sip_key sip_key_dialog(const struct sip_secret *s, struct xfed_span call_id, struct xfed_span local_tag, struct xfed_span remote_tag);

#endif
