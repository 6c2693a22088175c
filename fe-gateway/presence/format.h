/* In which form presence is told to those who watch, by the dialect of their domain, and read from those who tell. Inside the room only. */
#ifndef GATEWAY_PRESENCE_FORMAT_H
#define GATEWAY_PRESENCE_FORMAT_H

#include "interwork/msrtc.h"
#include "presence/presence_impl.h"

/*
 * The form that a SUBSCRIBE asks for: in a Lync domain the richest that its Accept names, else PIDF; without Accept PIDF (RFC 3856 section
 * 6.7). False: it takes none of ours.
 */
bool format_asked(const struct sip_message *m, const struct config_domain *d, enum iw_msrtc_format *out);
const char *format_accept(const struct config_domain *d); /* the header field with all forms that are told there, with CRLF */
/* That of a watch of which only the store knows, until its next SUBSCRIBE says which: what every client of the dialect takes. */
enum iw_msrtc_format format_of_resumed(const struct config_domain *d);

enum iw_msrtc_format format_of(const struct watch *w, const struct config_domain *d); /* what format_write() writes */
/* Appends what the watch is to be told. OK, LIMIT, NOMEM, INVALID. */
int format_write(struct xfed_arena *a, const struct watch *w, const struct config_domain *d, struct xfed_buf *out);

/* Reads the body of a NOTIFY by its type. `*has_state` false: it says nothing but notes (interwork/msrtc.h). */
enum iw_pidf_result format_read(struct xfed_arena *a, const struct sip_message *m, struct iw_presence *out, bool *has_state);

#endif
