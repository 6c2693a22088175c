/*
 * A dialog (RFC 3261 section 12): what two user agents remember of each other between requests. Sessions (INVITE) and
 * subscriptions (RFC 6665) each own theirs; the transaction layer knows nothing of them.
 *
 *   Call-ID, local tag, remote tag   together its name: requests inside it are found by them (sip_key_dialog())
 *   remote target                    the peer's Contact: the address of the next request
 *   route set                        the Record-Route values of the request or response that made the dialog: the way there
 *   CSeq                             ours counts up with every request; the peer's must not go back
 *
 * Early until a 2xx confirms it (INVITE); everything else makes a confirmed one at once. A dialog owns copies of all it holds.
 * Where a request may be sent is for the caller: a Contact or Record-Route is a peer's word, no licence to connect anywhere.
 */
#ifndef GATEWAY_SIP_DIALOG_H
#define GATEWAY_SIP_DIALOG_H

#include "sip/key.h"
#include "sip/message.h"
#include "sip/print.h"
#include "xfed/buf.h"

struct sip_dialog {
	struct xfed_span call_id, local_tag, remote_tag; /* remote_tag empty: a peer of RFC 2543 */
	struct xfed_span local_uri, remote_uri;		 /* without <> */
	struct xfed_span route_set, target;		 /* values with commas between them; remote target */
	struct xfed_span uri, route;			 /* of the next request: Request-URI and Route (empty: none) */
	uint32_t local_cseq;				 /* of the last request of ours */
	uint32_t remote_cseq;				 /* of the last request of the peer */
	bool has_remote_cseq;
	bool is_early;
	char *identity, *way; /* memory of the first five, of the next four */
};

/* What a dialog of our own request begins with; it is copied. Must have a From tag. */
struct sip_dialog_start {
	struct xfed_span call_id, local_tag, local_uri, remote_uri;
	uint32_t cseq;
};

/*
 * A request of the peer that we answer with `local_tag` in To (section 12.1.1). OK: `*out` is released with
 * sip_dialog_free(). INVALID: it has not exactly one Contact with a SIP URI (RFC 3261 section 8.1.1.8): answer 400. NOMEM.
 */
int sip_dialog_of_request(const struct sip_message *request, struct xfed_span local_tag, struct sip_dialog **out);
/*
 * An answer, provisional or 2xx, to a request of ours (section 12.1.2); provisional ones make an early dialog. INVALID: no
 * To tag, or no usable Contact in a 2xx (an early dialog does without and uses the Request-URI). NOMEM.
 */
int sip_dialog_of_response(const struct sip_dialog_start *sent, const struct sip_message *response, struct sip_dialog **out);
/* The NOTIFY that came before the answer to our SUBSCRIBE, or of another fork (RFC 6665 section 4.4.1). INVALID, NOMEM. */
int sip_dialog_of_notify(const struct sip_dialog_start *sent, const struct sip_message *notify, struct sip_dialog **out);
void sip_dialog_free(struct sip_dialog *d);

/*
 * To outlive the process: its values, one a line (none of them can hold an end of line), and the dialog of such a text. Requests of ours
 * that came after it was written have taken numbers: those of the dialog that is read begin far behind (SIP_DIALOG_CSEQ_AHEAD).
 * Writing: OK, or as xfed_buf. Reading: INVALID, NOMEM.
 */
#define SIP_DIALOG_CSEQ_AHEAD ((uint32_t)1 << 17)
int sip_dialog_write(const struct sip_dialog *d, struct xfed_buf *out);
int sip_dialog_read(struct xfed_span text, struct sip_dialog **out);

/* The 2xx for an early dialog: its Contact and Record-Route replace those of the provisional one (section 13.2.2.4). */
int sip_dialog_confirm(struct sip_dialog *d, const struct sip_message *response);

enum sip_dialog_verdict {
	SIP_DIALOG_TAKEN,
	SIP_DIALOG_OUT_OF_ORDER, /* its CSeq goes back: 500 (section 12.2.2) */
	SIP_DIALOG_BAD_CONTACT,	 /* a target refresh without a usable Contact: 400 */
	SIP_DIALOG_NO_MEMORY,	 /* nothing has changed */
};

/* A request of the peer inside the dialog. Of INVITE, UPDATE, SUBSCRIBE and NOTIFY the Contact becomes the target. */
enum sip_dialog_verdict sip_dialog_take(struct sip_dialog *d, const struct sip_message *request);
/* A 2xx to a target refresh of ours: its Contact becomes the target; one without leaves it as it was. OK or NOMEM. */
int sip_dialog_answered(struct sip_dialog *d, const struct sip_message *response);

/*
 * Fills in what a request inside the dialog takes from it, with the next CSeq. The spans are borrowed until the dialog's next
 * change. The ACK of an INVITE takes that one's CSeq: sip_dialog_ack(). False: the 2^31 numbers are used up.
 */
bool sip_dialog_request(struct sip_dialog *d, struct xfed_span method, struct sip_request *out);
void sip_dialog_ack(const struct sip_dialog *d, uint32_t invite_cseq, struct sip_request *out);
/* The URI whose host is the next hop: the first route, or the target. */
struct xfed_span sip_dialog_next_hop(const struct sip_dialog *d);

/* The name of a dialog as a key; of a request inside one: sip_key_dialog(secret, call_id, its To tag, its From tag). */
struct sip_key sip_key_dialog(const struct sip_secret *s, struct xfed_span call_id, struct xfed_span local_tag, struct xfed_span remote_tag);

#endif
