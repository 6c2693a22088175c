/* What the commands for the channel's certificates share. */
#ifndef XFEDCTL_CERT_CHANNEL_H
#define XFEDCTL_CERT_CHANNEL_H

#include "cert_ca.h"
#include "cert_run.h"

/* Certificate, key and authorities of the channel into the plan, with their directories; an empty text: that file stays. OK, INVALID, NOMEM. */
int cert_join_plan(struct cert_run *r, const char *certificate, struct xfed_span certificate_pem, const char *key, struct xfed_span key_pem,
	const char *ca, struct xfed_span ca_pem);

/* channel-join NAME, on the host of the authority. */
enum ctl_exit cert_channel_one_more(const char *name, const json_t *args, const struct ctl_options *options);

/*
 * Whether an edge, connected to now, shows a certificate that `ca` signed. OK; INVALID with one sentence: it does not, or it cannot be
 * asked. Blocks for seconds.
 */
int cert_probe_edge(const struct config *c, const struct config_edge *e, gnutls_x509_crt_t ca, char error[CERT_ERROR]);

#endif
