/* Checks of gateway.yaml, for single values (rows of the table) and across keys (after loading). */
#ifndef GATEWAY_CONFIG_CONFIG_IMPL_H
#define GATEWAY_CONFIG_CONFIG_IMPL_H

#include "config/config.h"

int config_convert_user(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);
int config_convert_username(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);
int config_convert_next_hop(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);

/* "sip:HOST[:PORT][;transport=udp|tcp|tls][;lr]"; transport NONE and port 0 where not written. OK, INVALID, NOMEM. */
int config_parse_next_hop(struct xfed_arena *a, struct xfed_span uri, struct rt_conf_address *out);

/* panel_rows.c */
void config_check_panel(struct rt_conf_doc *doc, const struct config *c);

#endif
