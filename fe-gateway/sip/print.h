/*
 * Requests and responses printed by template (RFC 3261 sections 8.1.1, 8.2.6). Sizes are known
 * before a byte is written. Values that hold a line end, another control character or otherwise
 * cannot stand where they would are refused with XFED_ERR_INVALID, so nothing that comes from the
 * other side can add a header.
 */
#ifndef GATEWAY_SIP_PRINT_H
#define GATEWAY_SIP_PRINT_H

#include "sip/message.h"

#define SIP_USER_AGENT "xfed"

/* How this side names itself in a Via. */
struct sip_via_out {
	const char *transport;	 /* "UDP", "TCP", "TLS" */
	struct xfed_span host;	 /* a name or an address, IPv6 without brackets */
	uint16_t port;		 /* 0: none is written */
	struct xfed_span branch; /* the unique part; z9hG4bK is put before it */
	bool has_rport;		 /* RFC 3581: ask for it */
};

/* A request. Spans with data NULL are left out. */
struct sip_request {
	struct xfed_span method;       /* "MESSAGE" */
	struct xfed_span uri;	       /* Request-URI */
	struct xfed_span route;	       /* Route values with their <>, comma between them, or absent */
	struct xfed_span from_uri;     /* without <> */
	struct xfed_span from_display; /* plain UTF-8, quoted here; absent: none */
	struct xfed_span from_tag;
	struct xfed_span to_uri; /* without <> */
	struct xfed_span to_tag; /* absent outside a dialog */
	struct xfed_span call_id;
	uint32_t cseq;		  /* below 2^31 */
	int max_forwards;	  /* 0: 70 */
	struct xfed_span contact; /* a value with its <>, or absent */
	struct xfed_span user_agent;
	struct xfed_span date; /* as sip_date_print() writes it */
	struct xfed_span subject;
	struct xfed_span content_type;
	struct xfed_span content_language;
	struct xfed_span extra; /* further header lines, each ending in CRLF; checked line by line */
	struct xfed_span body;
};

/* Writes at most `size` bytes to `out`; `*len` is the exact size in any case. out NULL: only
 * measures. OK, LIMIT (did not fit), INVALID. */
int sip_print_request(const struct sip_request *r, const struct sip_via_out *via, char *out, size_t size, size_t *len);

/* The source of a request, for received= and rport= ([C3-03]). */
struct sip_source {
	struct xfed_span ip; /* IPv6 without brackets */
	uint16_t port;
};

/*
 * What every response to one request begins with: Via (with received and rport filled in), From, To
 * with `to_tag` added where the request had none, Call-ID, CSeq, each line ending in CRLF. Kept by
 * a server transaction in place of the request. Result codes as above.
 */
int sip_print_response_head(
	const struct sip_message *request, const struct sip_source *source, struct xfed_span to_tag, char *out, size_t size, size_t *len);

/* The Record-Route fields of a request as they go into the answers that make a dialog (section 12.1.1): further lines of the head. */
int sip_print_record_route(const struct sip_message *request, char *out, size_t size, size_t *len);

/* A response. Spans with data NULL are left out. */
struct sip_response {
	int status;
	struct xfed_span phrase;  /* absent: the usual one */
	struct xfed_span contact; /* a value with its <>, or absent */
	struct xfed_span content_type;
	struct xfed_span extra; /* further header lines, each ending in CRLF, such as "Allow: ..."; may be empty */
	struct xfed_span body;
};
/* Status line, head, and what `r` has. Result codes as above. */
int sip_print_response(const struct sip_response *r, struct xfed_span head, char *out, size_t size, size_t *len);

/* ACK for a non-2xx final response and CANCEL, from the INVITE we sent (RFC 3261
 * sections 17.1.1.3, 9.1). */
int sip_print_ack(const struct sip_message *invite, const struct sip_message *response, char *out, size_t size, size_t *len);
int sip_print_cancel(const struct sip_message *invite, char *out, size_t size, size_t *len);

/* The usual reason phrase; never NULL. */
const char *sip_status_phrase(int status);

#endif
