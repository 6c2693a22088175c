/* The certificates, keys and authorities that edge.yaml names. */
#include "config.h"
#include "xfed/rt/process.h"
#include "xfed/tls.h"

static int load_partners(const struct edge_config *c, struct xfed_tls_creds **out, char error[256])
{
	struct rt_pem_pair pairs[RT_PEM_PAIRS_MAX];
	struct rt_pem_files files = {
		.pairs = pairs, .pair_count = c->certificates.count, .ca = c->trust.ca, .crls = c->trust.crl.items, .crl_count = c->trust.crl.count
	};
	for (size_t i = 0; i < c->certificates.count && i < RT_PEM_PAIRS_MAX; i++) {
		pairs[i] = (struct rt_pem_pair){ c->certificates.items[i].certificate, c->certificates.items[i].key };
	}
	return rt_creds_load(&files, out, error);
}

static int load_channel(const struct edge_config *c, struct xfed_tls_creds **out, char error[256])
{
	struct rt_pem_pair pair = { c->channel.certificate, c->channel.key };
	struct rt_pem_files files = { .pairs = &pair, .pair_count = 1, .ca = c->channel.ca };
	return rt_creds_load(&files, out, error);
}

int edge_load_creds(const struct edge_config *c, struct xfed_tls_creds **partners, struct xfed_tls_creds **channel, char error[256])
{
	*partners = *channel = NULL;
	int rc = load_partners(c, partners, error);
	if (rc == XFED_OK) {
		rc = load_channel(c, channel, error);
	}
	if (rc != XFED_OK) {
		xfed_tls_creds_unref(*partners);
		*partners = NULL;
	}
	return rc;
}

void edge_check_certificates(struct edge_config *c, const struct xfed_tls_creds *partners, const struct xfed_tls_creds *channel)
{
	const struct xfed_cert *cert;
	for (size_t i = 0; i < c->certificates.count && (cert = xfed_tls_creds_cert(partners, i)); i++) {
		rt_conf_check_certificate(&c->base.doc, &c->certificates.items[i], "certificate", cert);
	}
	rt_conf_check_certificate(&c->base.doc, c, "channel.certificate", xfed_tls_creds_cert(channel, 0));
}

int edge_config_check(const char *path, struct rt_conf_errors *errors)
{
	struct xfed_tls_creds *partners, *channel;
	struct edge_config *config;
	char error[256];
	int rc = edge_config_load(path, errors, &config);
	if (rc != XFED_OK) {
		return rc;
	}
	rc = edge_load_creds(config, &partners, &channel, error);
	if (rc != XFED_OK) {
		rt_conf_fail_file(&config->base.doc, "certificates", error);
	} else {
		edge_check_certificates(config, partners, channel);
	}
	xfed_tls_creds_unref(partners);
	xfed_tls_creds_unref(channel);
	edge_config_free(config);
	return rc;
}
