/*
 * Prints requests and responses by template (RFC 3261 sections 8.1.1, 8.2.6). Sizes are known before a byte is written. Values with a line
 * end or another control character, or that cannot stand where they would, are refused with XFED_ERR_INVALID, so that nothing from the
 * other side can add a header field.
 */
#ifndef GATEWAY_SIP_PRINT_H
#define GATEWAY_SIP_PRINT_H

#include "sip/message.h"

#define SIP_USER_AGENT "xfed"

/* Our side in a Via. */
struct sip_via_out {
	const char *transport;	 /* "UDP", "TCP", "TLS" */
	struct xfed_span host;	 /* a name or an address, IPv6 without brackets */
	uint16_t port;		 /* 0: not written */
	struct xfed_span branch; /* the unique part; z9hG4bK is put in front of it */
	bool has_rport;		 /* ask for it (RFC 3581) */
};

/* A request. Spans with data NULL are left out. */
struct sip_request {
	struct xfed_span method;       /* "MESSAGE" */
	struct xfed_span uri;	       /* Request-URI */
	struct xfed_span route;	       /* Route values with their <>, separated by commas, or absent */
	struct xfed_span from_uri;     /* without <> */
	struct xfed_span from_display; /* plain UTF-8, quoted when printed; absent: none */
	struct xfed_span from_tag;
	struct xfed_span to_uri; /* without <> */
	struct xfed_span to_tag; /* absent outside a dialog */
	struct xfed_span call_id;
	uint32_t cseq;		  /* below 2^31 */
	int max_forwards;	  /* 0: 70 */
	struct xfed_span contact; /* a value with its <>, or absent */
	struct xfed_span user_agent;
	struct xfed_span date; /* as sip_date_print() prints it */
	struct xfed_span subject;
	struct xfed_span content_type;
	struct xfed_span content_language;
	struct xfed_span extra; /* further header fields, each with CRLF; checked line by line */
	struct xfed_span body;
	bool is_of_dialog; /* Request-URI, Route, From, To and Call-ID have been printed before as they are, and are not checked again */
};

/* Writes at most `size` bytes to `out`; `*len` is the exact size in any case. out NULL: only measures. OK, LIMIT (did not fit), INVALID. */
int sip_print_request(const struct sip_request *r, const struct sip_via_out *via, char *out, size_t size, size_t *len);

/* The source of a request, for received= and rport= ([C3-03]). */
struct sip_source {
	struct xfed_span ip; /* IPv6 without brackets */
	uint16_t port;
};

/*
 * The common beginning of all responses to one request: Via (with received and rport), From, To with `to_tag` if the request had no tag,
 * Call-ID, CSeq, each line with CRLF. A server transaction keeps it in place of the request. Returns the same codes.
 */
int sip_print_response_head(
	const struct sip_message *request, const struct sip_source *source, struct xfed_span to_tag, char *out, size_t size, size_t *len);

/* The Record-Route fields of a request for responses that make a dialog (section 12.1.1), as further lines of that beginning. */
int sip_print_record_route(const struct sip_message *request, char *out, size_t size, size_t *len);

/* A response. Spans with data NULL are left out. */
struct sip_response {
	int status;
	struct xfed_span phrase;  /* absent: the standard one */
	struct xfed_span contact; /* a value with its <>, or absent */
	struct xfed_span content_type;
	struct xfed_span extra; /* further header fields, each with CRLF, such as "Allow: ..."; may be empty */
	struct xfed_span body;
};
/* Status line, `head`, and what `r` has. Returns the same codes. */
int sip_print_response(const struct sip_response *r, struct xfed_span head, char *out, size_t size, size_t *len);

/* ACK for a final response that is no 2xx, and CANCEL, made from the INVITE we sent (RFC 3261 sections 17.1.1.3, 9.1). */
int sip_print_ack(const struct sip_message *invite, const struct sip_message *response, char *out, size_t size, size_t *len);
int sip_print_cancel(const struct sip_message *invite, char *out, size_t size, size_t *len);

/* The credentials of an INVITE, for the ACK of its 2xx (section 13.2.2.4). Fields that do not fit are left out. */
#define SIP_CREDENTIALS_SIZE 4096
struct xfed_span sip_print_credentials(const struct sip_message *invite, char out[SIP_CREDENTIALS_SIZE]);

/* The standard reason phrase; never NULL. */
const char *sip_status_phrase(int status);

#endif
