"""SMBIOS tables: their structures, their names, and dmidecode's text of them."""
