/* Checks of gateway.yaml: for single values (rows of the table) and across keys (after a load). */
#ifndef GATEWAY_CONFIG_CONVERT_H
#define GATEWAY_CONFIG_CONVERT_H

#include "config.h"

int config_convert_next_hop(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);
int config_convert_network(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);

/* "sip:HOST[:PORT][;transport=udp|tcp|tls][;lr]"; without transport NONE, without port 0. OK, INVALID, NOMEM. */
int config_parse_next_hop(struct xfed_arena *a, struct xfed_span uri, struct rt_conf_address *out);
/* "10.2.0.0/24", "2001:db8::/32" or one address; bits beyond the prefix have to be 0. OK, INVALID. */
int config_parse_network(struct xfed_span s, struct gateway_network *out);

#endif
