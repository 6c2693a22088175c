/*
 * Presence documents: PIDF (RFC 3863) with person and activities (RFC 4479, RFC 4480) and the show of XMPP in it (RFC 8048 section 6.2),
 * [B5-08] to [B5-17]. Read as hostile: what it may cost is bounded before it costs it, and nothing outside the document is looked at.
 */
#ifndef GATEWAY_INTERWORK_PIDF_H
#define GATEWAY_INTERWORK_PIDF_H

#include "interwork/presence.h"
#include "xfed/buf.h"

#define IW_NS_PIDF   "urn:ietf:params:xml:ns:pidf"
#define IW_NS_PERSON "urn:ietf:params:xml:ns:pidf:data-model"
#define IW_NS_RPID   "urn:ietf:params:xml:ns:pidf:rpid"

#define IW_PIDF_TYPE "application/pidf+xml"

/* Used up by who sends the document: itself. One phone's has about 500 bytes (baresip). */
#define IW_PIDF_BYTES	  (64 * 1024)
#define IW_PIDF_DEPTH	  16   /* below the root */
#define IW_PIDF_NODES	  1024 /* elements and runs of text of one tuple */
#define IW_PIDF_NODES_ALL 4096 /* ... of the document */
#define IW_PIDF_NOTES	  256  /* of all tuples together */

enum iw_pidf_result {
	IW_PIDF_OK,
	IW_PIDF_TOO_LARGE,  /* bytes, nodes, tuples, notes, a name or tag */
	IW_PIDF_TOO_DEEP,   /* levels, or nodes or attributes of one element */
	IW_PIDF_RESTRICTED, /* DTD, entity, processing instruction */
	IW_PIDF_ENCODING,   /* not UTF-8 */
	IW_PIDF_MALFORMED,  /* no XML, or not all of it */
	IW_PIDF_FOREIGN,    /* XML, but no PIDF */
	IW_PIDF_NO_MEMORY,
};

/*
 * Reads a document. `language`: by the message's Content-Language, of notes that say none (RFC 8048 table 2); data NULL: none. A tuple
 * whose basic is not "open" or "closed" is ignored, of two with one name the first that is open counts; unknown elements and
 * attributes are ignored, and activities in a status whole, where they hold something unknown that must be understood (RFC 3863 section
 * 4.2.3). Activities and idle may stand in a tuple, its status or a person, also in the namespaces of RPID's drafts. The spans of
 * `*out` are in the arena, of which 256 KiB are enough for any document; `*out` is zeroed on any other result than OK. Zero tuples are
 * OK ([B5-13]).
 */
enum iw_pidf_result iw_pidf_read(struct xfed_arena *a, struct xfed_span body, struct xfed_span language, struct iw_presence *out);

/* What its sender is answered: status and words of this reason by iw_reason_to_sip(). NONE for OK. */
enum xfed_reason iw_pidf_reason(enum iw_pidf_result r);

/* Both are URIs as they are to be written. */
struct iw_pidf_addresses {
	struct xfed_span entity;  /* of the presentity: pres: or sip: */
	struct xfed_span contact; /* where messages to it go: sip: or im:, in every tuple ([B5-15]) */
};

/*
 * Appends a document of the full state: a tuple for each device, those worth most first (iw_device_is_before()); one closed tuple where
 * none is open ([B5-08]). What does not fit below the buffer's cap is left out: notes first, then the devices worth least. XFED_OK;
 * XFED_ERR_LIMIT: not one device fits; XFED_ERR_NOMEM. On failure the buffer is as before.
 */
int iw_pidf_write(struct xfed_buf *out, const struct iw_presence *p, const struct iw_pidf_addresses *to);

/*
 * The tuple id that stands for a device's name: "ID-" and the name, its bytes other than letters, digits, "-" and "." as "_" and two hex
 * digits. An NCName (xs:ID), another for each name; absent is "ID-". OK, NOMEM.
 */
int iw_pidf_id(struct xfed_arena *a, struct xfed_span name, struct xfed_span *id);
/* The name again; an id that is none of ours is the name as it is. OK, NOMEM. */
int iw_pidf_name(struct xfed_arena *a, struct xfed_span id, struct xfed_span *name);

/* <contact priority=""> of an XMPP priority of 0 to 127 in thousandths, and back: -1 and IW_PRIORITY_NONE where there is none ([B5-11]). */
int iw_pidf_priority(int16_t priority);
int16_t iw_pidf_priority_of(struct xfed_span decimal);

#endif
