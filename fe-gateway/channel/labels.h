/*
 * Labels of metrics that an edge reports. The gateway does not trust the edge: only values that are words of ours pass, so that
 * nobody outside makes up series in the monitoring of the inside. Pure.
 */
#ifndef GATEWAY_CHANNEL_LABELS_H
#define GATEWAY_CHANNEL_LABELS_H

#include "xfed/policy.h"

/* FREE: no table of ours can know it (names of certificates and gateways, TLS versions and ciphers, rules): XFED_LABELS_FREE of one set. */
enum labels_verdict { LABELS_OURS, LABELS_FREE, LABELS_BAD };
enum labels_verdict labels_judge(const struct xfed_policy *policy, struct xfed_span name, struct xfed_span value);

#endif
