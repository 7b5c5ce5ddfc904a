"""SMBIOS tables: their structures, and dmidecode's text of them."""
