/* What both daemons say of a session, in the log. */
#ifndef PROTO_REPORT_H
#define PROTO_REPORT_H

#include "proto/session.h"

/*
 * Messages of ours that may not be sent since the last call: whoever made them, it is our fault, and it is said. `peer` NULL: not
 * known yet. True: there were any, and the caller counts a refusal (stream.internal, ours).
 */
bool proto_report_refused(struct proto_session *s, const char *peer);

#endif
