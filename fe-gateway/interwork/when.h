/* When a message was sent: <delay/> (XEP-0203) and its stamps (XEP-0082). Internal to interwork, but for the last two functions. */
#ifndef GATEWAY_INTERWORK_WHEN_H
#define GATEWAY_INTERWORK_WHEN_H

#include "xfed/stanza.h"

#define IW_NS_DELAY "urn:xmpp:delay"

/*
 * "2002-09-10T23:08:25.123-05:00" without its fraction, or "20020910T23:08:25" of the older XEP-0091, to seconds since 1970. OK; INVALID:
 * no such time.
 */
int iw_when_parse(struct xfed_span stamp, int64_t *seconds);

#define IW_WHEN_SIZE 21
/* "2002-09-10T23:08:25Z". OK; INVALID: before 1970 or after 9999. */
int iw_when_print(int64_t seconds, char out[IW_WHEN_SIZE]);

/* Like iw_when_parse(), if the time can be printed again and is after 1970; 0: it is not. */
int64_t iw_when_of(struct xfed_span stamp);

/* The earliest stamp in the stanza: each server that stored it has added one. 0: there is no readable one. */
int64_t iw_when_sent(const struct xfed_stanza *s);

#define IW_WHEN_SKEW_S	 60		     /* clocks may differ, and a message take time, by this much without the reader being told */
#define IW_WHEN_OLDEST_S (366LL * 24 * 3600) /* an older stamp comes from a clock that was never set */
/* Whether the reader has to be told when it was sent. */
bool iw_when_is_late(int64_t sent_s, int64_t now_s);
/*
 * For how long a message may still be delivered that expires `expires_s` after it was sent; counted from now if that time is unknown (0),
 * in the future, or from a clock that was never set. 0 or less: it has expired.
 */
int64_t iw_when_left_s(int64_t expires_s, int64_t sent_s, int64_t now_s);

#endif
