/*
 * edge.yaml as a struct that always says what is in force. Immutable once loaded. A reload loads a second one, in which keys that need a
 * restart keep their old values (rt_conf_keep()), and replaces the first. It owns its strings. Lies below every room; calls libxfed alone.
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
		struct rt_conf_addresses listen_tls;   /* may be empty */
		const char *source;		       /* an IP address, or NULL */
		struct rt_conf_strings allow_networks; /* as written */
		struct rt_network *networks;	       /* allow_networks, parsed */
		const char *public_name;	       /* A-labels; NULL: none is told */
		struct rt_conf_strings public_addresses;
		uint32_t srv_priority, srv_weight;
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
		uint32_t unauthenticated;	       /* of these, at most so many that have not authenticated yet */
		uint32_t address_share, network_share; /* percent of `unauthenticated` that one address and one network may have */
		uint32_t connect_timeout_ms;
		uint32_t establish_timeout_ms;
		uint32_t inactivity_ms;
		uint32_t park_bytes; /* stanzas parked per stream (s2s/s2s.h) */
	} limits;
};

extern const struct rt_conf_table edge_config_table;

/*
 * Loads and checks; problems go to `errors`. XFED_OK: the caller releases `*out` with edge_config_free(). INVALID (`errors` say why) and
 * NOMEM leave it NULL. `_load` also warns of files that everybody on the host can read or write; `_parse` takes the text itself, and `file`
 * is only named in messages. `base.doc.errors` stays `errors` for later checks with rt_conf_fail() (PEM files): the caller sets it anew
 * before that collector ends.
 */
int edge_config_load(const char *path, struct rt_conf_errors *errors, struct edge_config **out);
int edge_config_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct edge_config **out);
void edge_config_free(struct edge_config *c);

/* ---- the PEM files that it names (config_creds.c) ---- */

struct xfed_tls_creds;
/* XFED_OK, or an error with one sentence in `error`, and both NULL. The caller releases them. */
int edge_load_creds(const struct edge_config *c, struct xfed_tls_creds **partners, struct xfed_tls_creds **channel, char error[256]);
/* Warns of certificates that are expired or not valid yet. */
void edge_check_certificates(struct edge_config *c, const struct xfed_tls_creds *partners, const struct xfed_tls_creds *channel);
/* Loads everything, and keeps nothing: what --check-config and xfedctl config check FILE say. XFED_OK, or `errors` have what is wrong. */
int edge_config_check(const char *path, struct rt_conf_errors *errors);

#endif
