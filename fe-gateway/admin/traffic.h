/*
 * Figures of the last hour, for a graph: what was carried in each ten seconds. They are differences of the metrics, taken between two
 * turns of the loop; nothing is counted beside what is counted anyway.
 */
#ifndef GATEWAY_ADMIN_TRAFFIC_H
#define GATEWAY_ADMIN_TRAFFIC_H

#include <jansson.h>

#include "xfed/rt/metrics.h"

#define TRAFFIC_EVERY_S 10
#define TRAFFIC_SAMPLES 360

/* X(id, key): counters; messages and presence that were delivered, and stanzas that were refused. */
#define TRAFFIC_COUNTS(X)                                                                                                                            \
	X(TO_SIP, "to_sip")                                                                                                                          \
	X(TO_XMPP, "to_xmpp")                                                                                                                        \
	X(PRESENCE_TO_SIP, "presence_to_sip")                                                                                                        \
	X(PRESENCE_TO_XMPP, "presence_to_xmpp")                                                                                                      \
	X(REFUSED, "refused")
enum traffic_count {
#define TRAFFIC_ENUM(id, key) TRAFFIC_##id,
	TRAFFIC_COUNTS(TRAFFIC_ENUM)
#undef TRAFFIC_ENUM
		TRAFFIC_COUNT
};

/* All since the start. */
struct traffic_totals {
	uint64_t counts[TRAFFIC_COUNT];
	uint64_t buckets[RT_METRIC_BUCKETS + 1]; /* deliveries by how long they took; the last: longer than all bounds */
};

struct traffic_sample {
	int64_t at_s;
	uint64_t counts[TRAFFIC_COUNT];
	unsigned streams_in, streams_out;
	double p50_s, p99_s; /* of deliveries in these seconds; below 0: there were none */
};

struct traffic {
	struct traffic_totals last;
	struct traffic_sample samples[TRAFFIC_SAMPLES];
	uint64_t count; /* of samples; its remainder is the next one's place */
	int64_t due_s;
	unsigned streams_in, streams_out; /* of all edges, as they have said since the last sample */
};

void traffic_read(const struct rt_metrics *m, struct traffic_totals *out);
/* At the first call only where it begins. */
void traffic_add(struct traffic *t, int64_t now_s, const struct traffic_totals *now);
bool traffic_is_due(const struct traffic *t, int64_t now_s);
json_t *traffic_json(const struct traffic *t, size_t limit); /* the answer to traffic list */

#endif
