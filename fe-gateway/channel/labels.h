/*
 * Labels of metrics that an edge reports. The gateway does not trust the edge: only values from our own tables pass, so that a partner
 * cannot create series in our monitoring. Pure.
 */
#ifndef GATEWAY_CHANNEL_LABELS_H
#define GATEWAY_CHANNEL_LABELS_H

#include "xfed/policy.h"

/*
 * FREE: the value cannot be in a table of ours (names of certificates and gateways, TLS versions and ciphers, rules); at most
 * XFED_LABELS_FREE of these are taken per set.
 */
enum labels_verdict { LABELS_OURS, LABELS_FREE, LABELS_BAD };
enum labels_verdict labels_judge(const struct xfed_policy *policy, struct xfed_span name, struct xfed_span value);

#endif
