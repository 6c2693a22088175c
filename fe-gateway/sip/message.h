/*
 * One SIP message, parsed once (RFC 3261 section 7), by our own parser. libosipparser2 used to judge messages a second time; of the torture
 * messages (RFC 4475, RFC 5118) it refused none that this parser accepts, and it cost twice as much again on messages with quoted names,
 * which is all that clients of the Lync family send (`bench_micro sip-parse-quoted`). It is now the oracle of a fuzz target: where both
 * accept a message, they read the same identity from it (tests/fuzz/fuzz_sip_differential.c).
 *
 * Errors (RFC 3261 sections 8.2.2 and 16.3): a field that does not parse counts as absent if the message does not need it. Always needed:
 * start line, Via, From, To, Call-ID, CSeq, Content-Length; in requests also Max-Forwards if present (absent it is 70), Require and the
 * other Content fields; where a dialog or a registration is made or changed also Contact, Record-Route, Event, Expires and
 * Subscription-State. A line without a field name refuses a request, because the line might be needed, and is ignored in a response. White
 * space is blanks, tabs and folds alike (section 25.1). Control characters are tolerated in fields nobody needs; a NUL (except as a quoted
 * pair) and a lone CR or LF never are. Whoever shows a field escapes it.
 *
 * A message is one object that owns a copy of the bytes; every span in it points into that copy (unfolded with blanks, otherwise as
 * received) and is valid as long as the message.
 */
#ifndef GATEWAY_SIP_MESSAGE_H
#define GATEWAY_SIP_MESSAGE_H

#include "sip/addr.h"
#include "sip/uri.h"
#include "sip/via.h"

/* Header fields known here: id, long name, compact form, whether it may occur once only. */
#define SIP_HEADERS(X)                                                                                                                               \
	X(VIA, "Via", 'v', false)                                                                                                                    \
	X(FROM, "From", 'f', true)                                                                                                                   \
	X(TO, "To", 't', true)                                                                                                                       \
	X(CALL_ID, "Call-ID", 'i', true)                                                                                                             \
	X(CSEQ, "CSeq", 0, true)                                                                                                                     \
	X(MAX_FORWARDS, "Max-Forwards", 0, true)                                                                                                     \
	X(CONTACT, "Contact", 'm', false)                                                                                                            \
	X(CONTENT_TYPE, "Content-Type", 'c', true)                                                                                                   \
	X(CONTENT_LENGTH, "Content-Length", 'l', true)                                                                                               \
	X(CONTENT_ENCODING, "Content-Encoding", 'e', false)                                                                                          \
	X(CONTENT_LANGUAGE, "Content-Language", 0, false)                                                                                            \
	X(CONTENT_DISPOSITION, "Content-Disposition", 0, true)                                                                                       \
	X(CONTENT_TRANSFER_ENCODING, "Content-Transfer-Encoding", 0, true)                                                                           \
	X(TRANSFER_ENCODING, "Transfer-Encoding", 0, true)                                                                                           \
	X(SUBJECT, "Subject", 's', true)                                                                                                             \
	X(EXPIRES, "Expires", 0, true)                                                                                                               \
	X(DATE, "Date", 0, true)                                                                                                                     \
	X(REQUIRE, "Require", 0, false)                                                                                                              \
	X(SUPPORTED, "Supported", 'k', false)                                                                                                        \
	X(RETRY_AFTER, "Retry-After", 0, true)                                                                                                       \
	X(ACCEPT, "Accept", 0, false)                                                                                                                \
	X(ROUTE, "Route", 0, false)                                                                                                                  \
	X(RECORD_ROUTE, "Record-Route", 0, false)                                                                                                    \
	X(EVENT, "Event", 'o', true)                                                                                                                 \
	X(SUBSCRIPTION_STATE, "Subscription-State", 0, true)                                                                                         \
	X(ALLOW_EVENTS, "Allow-Events", 'u', false)                                                                                                  \
	X(REFER_TO, "Refer-To", 'r', true)                                                                                                           \
	X(REFERRED_BY, "Referred-By", 'b', true)                                                                                                     \
	X(SESSION_EXPIRES, "Session-Expires", 'x', true)                                                                                             \
	X(IDENTITY, "Identity", 'y', false)

enum sip_header_id {
	SIP_HEADER_OTHER,
#define X(id, name, compact, single) SIP_HEADER_##id,
	SIP_HEADERS(X)
#undef X
		SIP_HEADER_COUNT
};

const char *sip_header_name(enum sip_header_id id); /* "Other" for OTHER */

struct sip_header {
	enum sip_header_id id;	/* OTHER also if it did not parse and nobody needs it */
	struct xfed_span name;	/* as written */
	struct xfed_span value; /* trimmed, unfolded; may be empty, may contain control characters if id is OTHER */
	bool has_controls;
};

struct sip_message {
	bool is_request;
	struct xfed_span method;      /* request */
	struct xfed_span request_uri; /* request, as written */
	struct sip_uri uri;	      /* request: the same, parsed */
	int status;		      /* response: 100-699 */
	struct xfed_span reason;      /* response; empty also if it contains control characters */

	struct sip_via via; /* the topmost one */
	size_t via_count;   /* number of values, with comma-separated lists split */
	struct sip_addr from, to;
	struct xfed_span call_id;
	uint32_t cseq;
	struct xfed_span cseq_method;
	int max_forwards; /* request: 70 where absent */

	/* data NULL: absent; of lists only the first field: see headers[] for all */
	struct xfed_span content_type;	      /* the whole value */
	struct xfed_span media_type;	      /* "type/subtype" of it, as written */
	struct xfed_span content_type_params; /* from ";" */
	struct xfed_span content_encoding, content_language, content_disposition;
	struct xfed_span content_transfer_encoding; /* also if the field is called Transfer-Encoding, as by some clients, though SIP knows neither */
	struct xfed_span subject, date, accept, contact;
	int64_t expires;       /* seconds, -1 where absent or unusable */
	int64_t retry_after_s; /* seconds, -1 where absent or unusable */

	struct xfed_span body; /* Content-Length bytes */

	struct sip_header *headers; /* all of them in order */
	size_t header_count;
	size_t block_size; /* of its memory */
};

enum sip_parse_flags {
	SIP_PARSE_DATAGRAM = 0, /* body: Content-Length bytes, the rest is dropped; absent: all of
				   it ([C3-06]) */
	SIP_PARSE_STREAM = 1,	/* Content-Length is mandatory; the bytes are exactly one message */
};

#define SIP_ERROR_CALL_ID 128

struct sip_error {
	int status;	    /* the response a request should get: 400, 413, 505 ... */
	const char *phrase; /* a literal that fits as reason phrase and in the log */
	bool is_framing;    /* on a stream the end of the message is unknown: close the connection */
	bool is_response;
	const char *header;		 /* the field with the error, a literal; NULL: none, or the start line */
	char call_id[SIP_ERROR_CALL_ID]; /* the beginning of Call-ID as received, for the log; may be empty */
};

/*
 * Parses one whole message; the caller releases `*out` with sip_message_free(). Leading CRLFs are skipped. XFED_ERR_INVALID: malformed, see
 * `err`; `*out` is then NULL, or, for a request with all that a response has to copy (Via, From, To, Call-ID, CSeq), a message for
 * sip_print_response() and nothing else. XFED_ERR_NOMEM: `*out` is NULL. What is well formed but not wanted (unknown method, scheme,
 * Require, type) is left to the caller: 501, 416, 420, 415.
 */
int sip_message_parse(struct xfed_span bytes, enum sip_parse_flags flags, struct sip_message **out, struct sip_error *err);
/* The same in the memory of a message that is not needed any more: `spare` is taken over; NULL: none. It must not hold `bytes`. */
int sip_message_parse_into(
	struct sip_message *spare, struct xfed_span bytes, enum sip_parse_flags flags, struct sip_message **out, struct sip_error *err);
void sip_message_free(struct sip_message *m);

/* The first field with that id or name after `after` (NULL: from the start), or NULL. Names are compared without case. */
const struct sip_header *sip_message_header(const struct sip_message *m, enum sip_header_id id, const struct sip_header *after);
const struct sip_header *sip_message_header_named(const struct sip_message *m, const char *name, const struct sip_header *after);

#endif
