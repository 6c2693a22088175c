/* What planted_low.c calls. */
int planted_high(void);

int planted_high(void)
{
	return 1;
}
