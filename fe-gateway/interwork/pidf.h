/*
 * Presence documents: PIDF (RFC 3863) with person and activities (RFC 4479, RFC 4480) and the XMPP show (RFC 8048 section 6.2), [B5-08] to
 * [B5-17]. Documents may be hostile: limits apply before memory is spent, and nothing outside the document is accessed.
 */
#ifndef GATEWAY_INTERWORK_PIDF_H
#define GATEWAY_INTERWORK_PIDF_H

#include "interwork/presence.h"
#include "xfed/buf.h"

#define IW_NS_PIDF   "urn:ietf:params:xml:ns:pidf"
#define IW_NS_PERSON "urn:ietf:params:xml:ns:pidf:data-model"
#define IW_NS_RPID   "urn:ietf:params:xml:ns:pidf:rpid"

#define IW_PIDF_TYPE "application/pidf+xml"

/* per document. One phone's document has about 500 bytes (baresip). */
#define IW_PIDF_BYTES	  (64 * 1024)
#define IW_PIDF_DEPTH	  16   /* below the root */
#define IW_PIDF_NODES	  1024 /* elements and text nodes of one tuple */
#define IW_PIDF_NODES_ALL 4096 /* the same of the document */
#define IW_PIDF_NOTES	  256  /* in all tuples together */

enum iw_pidf_result {
	IW_PIDF_OK,
	IW_PIDF_TOO_LARGE,  /* too many bytes, nodes, tuples or notes, or too long a name or tag */
	IW_PIDF_TOO_DEEP,   /* too many levels, or nodes or attributes of one element */
	IW_PIDF_RESTRICTED, /* DTD, entity, processing instruction */
	IW_PIDF_ENCODING,   /* not UTF-8 */
	IW_PIDF_MALFORMED,  /* no XML, or incomplete */
	IW_PIDF_FOREIGN,    /* XML, but no PIDF */
	IW_PIDF_NO_MEMORY,
};

/*
 * Reads a document. `language`: Content-Language of the message, for notes without one (RFC 8048 table 2); data NULL: none. A tuple whose
 * basic is neither "open" nor "closed" is ignored; of two with one name the first open one counts; unknown elements and attributes are
 * ignored, and so is a whole status with an unknown element that must be understood (RFC 3863 section 4.2.3). Activities and idle may stand
 * in a tuple, its status or a person, also in the namespaces of RPID drafts. The spans of `*out` are in the arena, for which 256 KiB are
 * always enough; unless OK `*out` is zeroed. A document without tuples is OK ([B5-13]).
 */
enum iw_pidf_result iw_pidf_read(struct xfed_arena *a, struct xfed_span body, struct xfed_span language, struct iw_presence *out);

/* The reason for its sender: status and text by iw_reason_to_sip(). NONE for OK. */
enum xfed_reason iw_pidf_reason(enum iw_pidf_result r);

/* Both are URIs as they will be written. */
struct iw_pidf_addresses {
	struct xfed_span entity;  /* of the presentity: pres: or sip: */
	struct xfed_span contact; /* where messages to it go: sip: or im:, the same in every tuple ([B5-15]) */
};

/*
 * Appends a full-state document: one tuple per device, in the order of iw_device_is_before(); one closed tuple where none is open
 * ([B5-08]). If the buffer's limit is too small, notes are left out first, then the last devices. XFED_OK; XFED_ERR_LIMIT: not one device
 * fits; XFED_ERR_NOMEM. On failure the buffer is unchanged.
 */
int iw_pidf_write(struct xfed_buf *out, const struct iw_presence *p, const struct iw_pidf_addresses *to);

/*
 * The tuple id for a device's name: "ID-" and the name, with bytes other than letters, digits, "-" and "." written as "_" and two
 * hexadecimal digits. It is an NCName (xs:ID) and different for each name; absent is "ID-". OK, NOMEM.
 */
int iw_pidf_id(struct xfed_arena *a, struct xfed_span name, struct xfed_span *id);
/* The reverse; an id that is none of ours is the name itself. OK, NOMEM. */
int iw_pidf_name(struct xfed_arena *a, struct xfed_span id, struct xfed_span *name);

/* The XMPP priority of 0 to 127 as <contact priority=""> in thousandths, and the reverse; -1 and IW_PRIORITY_NONE: there is none ([B5-11]). */
int iw_pidf_priority(int16_t priority);
int16_t iw_pidf_priority_of(struct xfed_span decimal);

#endif
