/*
 * PRECIS (RFC 8264) and the two profiles XMPP addresses use (RFC 8265). Internal to libxfed/jid; the fuzz target
 * and the unit test call the profiles directly to compare them with the ASCII fast path.
 */
#ifndef XFED_JID_PRECIS_H
#define XFED_JID_PRECIS_H

#include "xfed/arena.h"
#include "xfed/base.h"

/* Code points of one address part before it is mapped: fullwidth forms shrink from three octets to one. */
#define JID_RAW_PART_BYTES (3 * 1023)

enum jid_precis_class { JID_PRECIS_IDENTIFIER, JID_PRECIS_FREEFORM };

/* Every code point is PVALID in the class, or its contextual rule is met (RFC 8264 sections 4 and 8). */
bool jid_precis_is_allowed(const uint32_t *s, size_t n, enum jid_precis_class c);

/* Bidi class R, AL or AN occurs. */
bool jid_bidi_has_rtl(const uint32_t *s, size_t n);
/* The six conditions of RFC 5893 section 2. */
bool jid_bidi_is_sound(const uint32_t *s, size_t n);

/* Fullwidth and halfwidth code points to their decompositions; others as they are. */
uint32_t jid_map_width(uint32_t c);

/*
 * Lower case of one code point, at most two written to `out`; returns how many. Without the context of a final sigma:
 * the mapping has to be stable and the example of RFC 7622 section 3.5 keeps sigma and final sigma apart.
 */
size_t jid_map_lower(uint32_t c, uint32_t out[2]);

/*
 * UsernameCaseMapped and OpaqueString by the whole procedure, repeated until stable (RFC 8264 section 7). The result
 * has 1 to XFED_JID_PART_BYTES octets and lives in the arena. OK, INVALID, NOMEM.
 */
int jid_precis_username(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);
int jid_precis_opaque(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);

/*
 * Width mapping, lower case and NFC alone, without any check of what is allowed: what the profile would make of a
 * text before it judges it. OK, INVALID (no UTF-8, or too long), NOMEM.
 */
int jid_precis_map(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);
/* The same for a domain name (RFC 5895). */
int jid_precis_map_domain(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);

#endif
