const EDU_PERSON = 'urn:oid:1.3.6.1.4.1.5923.1.1.1.';
const EDU_ORG = 'urn:oid:1.3.6.1.4.1.5923.1.2.1.';
const CLAIMS = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/';

/** Attributes that are condition keys. Source: IAM User Guide, "Available keys for SAML-based AWS STS federation". */
const KEYS: Readonly<Record<string, string>> = {
  [`${EDU_PERSON}1`]: 'saml:eduPersonAffiliation',
  [`${EDU_PERSON}2`]: 'saml:eduPersonNickname',
  [`${EDU_PERSON}3`]: 'saml:eduPersonOrgDN',
  [`${EDU_PERSON}4`]: 'saml:eduPersonOrgUnitDN',
  [`${EDU_PERSON}5`]: 'saml:eduPersonPrimaryAffiliation',
  [`${EDU_PERSON}6`]: 'saml:eduPersonPrincipalName',
  [`${EDU_PERSON}7`]: 'saml:eduPersonEntitlement',
  [`${EDU_PERSON}8`]: 'saml:eduPersonPrimaryOrgUnitDN',
  [`${EDU_PERSON}9`]: 'saml:eduPersonScopedAffiliation',
  [`${EDU_PERSON}10`]: 'saml:eduPersonTargetedID',
  [`${EDU_PERSON}11`]: 'saml:eduPersonAssurance',
  [`${EDU_ORG}2`]: 'saml:eduOrgHomePageURI',
  [`${EDU_ORG}3`]: 'saml:eduOrgIdentityAuthNPolicyURI',
  [`${EDU_ORG}4`]: 'saml:eduOrgLegalName',
  [`${EDU_ORG}5`]: 'saml:eduOrgSuperiorURI',
  [`${EDU_ORG}6`]: 'saml:eduOrgWhitePagesURI',
  'urn:oid:2.5.4.3': 'saml:cn',
  [`${CLAIMS}givenname`]: 'saml:givenName',
  [`${CLAIMS}surname`]: 'saml:surname',
  [`${CLAIMS}emailaddress`]: 'saml:mail',
  [`${CLAIMS}name`]: 'saml:name',
  'urn:oid:0.9.2342.19200300.100.1.1': 'saml:uid',
  'urn:oid:0.9.2342.19200300.100.1.45': 'saml:organizationStatus',
  'urn:oid:2.5.4.45': 'saml:x500UniqueIdentifier',
  'http://schemas.xmlsoap.org/claims/CommonName': 'saml:commonName',
  'http://schemas.microsoft.com/ws/2008/06/identity/claims/primarygroupsid': 'saml:primaryGroupSID',
};

/** The condition keys of an assertion's attributes. */
export function attributeKeys(attributes: ReadonlyMap<string, readonly string[]>): Record<string, string[]> {
  const keys: Record<string, string[]> = {};
  for (const [name, values] of attributes) {
    const key = KEYS[name];
    if (key !== undefined) keys[key] = [...values];
  }
  return keys;
}
