/* Localparts and resources of addresses: the ASCII fast path. Internal to libxfed/jid. */
#ifndef XFED_JID_LOCAL_H
#define XFED_JID_LOCAL_H

#include "jid/domain.h"

/* Checks a localpart that is ASCII and lower-cases it in place. */
enum jid_ascii_result jid_local_fold_ascii(char *p, size_t len);
/* Checks a resource that is ASCII; it is never changed. */
enum jid_ascii_result jid_resource_check_ascii(const char *p, size_t len);

/* By the full path: PRECIS, then the characters RFC 7622 section 3.3.1 excludes. OK, INVALID, NOMEM. */
int jid_local_full(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out);

#endif
