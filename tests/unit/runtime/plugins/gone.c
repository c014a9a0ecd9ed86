/* A library that is there when its user is linked and not when it is loaded: its soname
 * is that of a file that does not exist. */
int gone(void);
__attribute__((visibility("default"))) int gone(void)
{
    return 0;
}
