/* When a message was sent: <delay/> (XEP-0203) and its stamps (XEP-0082). Internal to interwork, but for the last two. */
#ifndef GATEWAY_INTERWORK_WHEN_H
#define GATEWAY_INTERWORK_WHEN_H

#include "xfed/stanza.h"

#define IW_NS_DELAY "urn:xmpp:delay"

/*
 * "2002-09-10T23:08:25.123-05:00", fractions left out, or "20020910T23:08:25" of the older XEP-0091, to seconds since 1970. OK;
 * INVALID: it is none.
 */
int iw_when_parse(struct xfed_span stamp, int64_t *seconds);

#define IW_WHEN_SIZE 21
/* "2002-09-10T23:08:25Z". OK; INVALID: before 1970 or behind 9999. */
int iw_when_print(int64_t seconds, char out[IW_WHEN_SIZE]);

/* The same, where it can be printed again and is behind 1970; 0: no stamp, or it says no such time. */
int64_t iw_when_of(struct xfed_span stamp);

/* The earliest stamp of the stanza: each place that kept it has added one. 0: there is none that can be read. */
int64_t iw_when_sent(const struct xfed_stanza *s);

#define IW_WHEN_SKEW_S	 60		     /* clocks differ so much, and a message is on its way so long, without anybody being told */
#define IW_WHEN_OLDEST_S (366LL * 24 * 3600) /* what claims to be older comes from a clock that was never set */
/* Sent at a time that its reader has to be told. */
bool iw_when_is_late(int64_t sent_s, int64_t now_s);
/*
 * How long the message may still be delivered that says it expires after `expires_s`: from when it was sent, or from now where that is not
 * known (0), still to come, or of a clock that was never set. Not above 0: it has expired.
 */
int64_t iw_when_left_s(int64_t expires_s, int64_t sent_s, int64_t now_s);

#endif
