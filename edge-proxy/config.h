/*
 * edge.yaml as a struct. A configuration is immutable once loaded; a reload loads a new one and swaps. Strings belong to it.
 */
#ifndef EDGE_CONFIG_H
#define EDGE_CONFIG_H

#include "xfed/rt/conf_base.h"

struct edge_certificate {
	const char *certificate, *key; /* paths of PEM files */
};

struct edge_config {
	struct rt_conf_base base;
	struct {
		struct rt_conf_addresses listen;       /* default 0.0.0.0:5269 and [::]:5269 */
		struct rt_conf_addresses listen_tls;   /* count 0: none */
		const char *source;		       /* an IP address, or NULL */
		struct rt_conf_strings allow_networks; /* as written */
		struct rt_network *networks;	       /* allow_networks parsed */
	} external;
	struct {
		struct rt_conf_addresses listen; /* at least one */
		const char *certificate, *key, *ca;
		struct rt_conf_strings allow; /* names, lower case A-labels; at least one */
		uint32_t grace_ms;
	} channel;
	struct {
		struct edge_certificate *items;
		size_t count; /* at least one */
	} certificates;
	struct {
		const char *ca; /* "system" or a path */
		struct rt_conf_strings crl;
	} trust;
	struct {
		uint32_t connections;		       /* all s2s connections */
		uint32_t unauthenticated;	       /* of these, at most so many not authenticated yet */
		uint32_t address_share, network_share; /* of those, percent: of one address, of one network */
		uint32_t connect_timeout_ms;
		uint32_t establish_timeout_ms;
		uint32_t inactivity_ms;
		uint32_t park_bytes; /* parked per stream */
	} limits;
};

extern const struct rt_conf_table edge_config_table;

/*
 * Loads and checks; problems go to `errors`. OK: `*out` is released with edge_config_free(). INVALID (errors say why) or
 * NOMEM leave it NULL. `_load` warns of files that are open to everybody too; `_parse` takes the text itself (`file` is for the
 * messages). For later checks with rt_conf_fail() (PEM files) `base.doc.errors` stays `errors`; set it anew when that collector is gone.
 */
int edge_config_load(const char *path, struct rt_conf_errors *errors, struct edge_config **out);
int edge_config_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct edge_config **out);
void edge_config_free(struct edge_config *c);

#endif
